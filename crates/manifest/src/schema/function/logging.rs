//! `logging`.

use crate::reader::{accepted, fields, text, wrong};
use crate::schema::Walk;
use crate::yaml::Node;
use model::lambda::logging::{ApplicationLogLevel, LogFormat, LogGroupName, Logging, SystemLogLevel};

const KEYS: [&str; 4] = ["format", "application_level", "system_level", "group"];

const APPLICATION_LEVELS: [ApplicationLogLevel; 6] = [
    ApplicationLogLevel::Trace,
    ApplicationLogLevel::Debug,
    ApplicationLogLevel::Info,
    ApplicationLogLevel::Warn,
    ApplicationLogLevel::Error,
    ApplicationLogLevel::Fatal,
];
const SYSTEM_LEVELS: [(&str, SystemLogLevel); 3] = [
    ("DEBUG", SystemLogLevel::Debug),
    ("INFO", SystemLogLevel::Info),
    ("WARN", SystemLogLevel::Warn),
];

impl Walk<'_> {
    /// Where the log goes and what it looks like. Names of formats and levels may be written large or small.
    pub(super) fn logging(&mut self, node: &Node) -> Option<Logging> {
        let fields = fields(&mut self.report, node, "the logging", &KEYS, &[])?;
        let group = match fields.get("group") {
            Some(node) => text(&mut self.report, node, "a log group such as `/shop/orders`")
                .and_then(|it| accepted(&mut self.report, node.spot, LogGroupName::try_from(it)))
                .map(Some),
            None => Some(None),
        };
        let json = match fields.get("format") {
            Some(node) => self.format_is_json(node),
            None => Some(false),
        };
        let application_level = match fields.get("application_level") {
            Some(node) => self.level(node, &APPLICATION_LEVELS.map(|it| (it.as_str(), it))),
            None => Some(ApplicationLogLevel::default()),
        };
        let system_level = match fields.get("system_level") {
            Some(node) => self.level(node, &SYSTEM_LEVELS),
            None => Some(SystemLogLevel::default()),
        };
        let format = match json? {
            true => LogFormat::Json {
                application_level: application_level?,
                system_level: system_level?,
            },
            false => {
                let levels = fields.present(&["application_level", "system_level"]);
                for (key, _) in &levels {
                    let message = format!(
                        "found `{}` without `format: json`; expected it with the format json only",
                        key.text
                    );
                    self.report.mistake(key.spot, message);
                }
                if !levels.is_empty() {
                    return None;
                }
                LogFormat::Text
            }
        };
        Some(Logging { format, group: group? })
    }

    fn format_is_json(&mut self, node: &Node) -> Option<bool> {
        let expected = "`text` or `json`";
        match text(&mut self.report, node, expected)?.to_ascii_lowercase().as_str() {
            "text" => Some(false),
            "json" => Some(true),
            _ => wrong(&mut self.report, node, expected),
        }
    }

    fn level<L: Copy>(&mut self, node: &Node, levels: &[(&str, L)]) -> Option<L> {
        let names: Vec<String> = levels.iter().map(|(name, _)| format!("`{name}`")).collect();
        let expected = match names.as_slice() {
            [most @ .., last] => format!("{} or {last}", most.join(", ")),
            [] => String::new(),
        };
        let written = text(&mut self.report, node, &expected)?;
        match levels.iter().find(|(name, _)| name.eq_ignore_ascii_case(written)) {
            Some((_, level)) => Some(*level),
            None => wrong(&mut self.report, node, &expected),
        }
    }
}
