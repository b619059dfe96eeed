//! `url`.

use crate::desired::Placed;
use crate::reader::quantity::duration;
use crate::reader::{accepted, boolean, fields, one_or_more, text, wrong};
use crate::schema::Walk;
use crate::yaml::{Key, Node};
use model::lambda::url::{Cors, FunctionUrl, InvokeMode, UrlAuth};
use model::{FunctionArn, Owner};

const KEYS: [&str; 3] = ["auth", "invoke_mode", "cors"];

const CORS_KEYS: [&str; 6] = [
    "allow_credentials",
    "allow_headers",
    "allow_methods",
    "allow_origins",
    "expose_headers",
    "max_age",
];

impl Walk<'_> {
    /// The URL of the function `name`.
    pub(super) fn url(&mut self, key: &Key, node: &Node, name: &str) -> Option<Placed<FunctionUrl>> {
        let fields = fields(&mut self.report, node, "a function URL", &KEYS, &[])?;
        let auth = fields
            .require(&mut self.report, "auth", "`none` or `aws_iam`")
            .and_then(|node| self.auth(node));
        let invoke_mode = match fields.get("invoke_mode") {
            Some(node) => self.invoke_mode(node),
            None => Some(InvokeMode::default()),
        };
        let cors = match fields.get("cors") {
            Some(node) => self.cors(node).map(Some),
            None => Some(None),
        };
        let url = FunctionUrl {
            id: self.ids().function_url(name),
            function: FunctionArn::new(&self.settings.scope, name),
            auth: auth?,
            invoke_mode: invoke_mode?,
            cors: cors?,
            times: None,
            owner: Owner::Manifest,
        };
        self.used_functions.insert(name.to_owned());
        Some(self.placed(key.spot, url))
    }

    fn auth(&mut self, node: &Node) -> Option<UrlAuth> {
        const EXPECTED: &str = "`none` or `aws_iam`";
        match text(&mut self.report, node, EXPECTED)?.to_ascii_lowercase().as_str() {
            "none" => Some(UrlAuth::None),
            "aws_iam" => Some(UrlAuth::AwsIam),
            _ => wrong(&mut self.report, node, EXPECTED),
        }
    }

    fn invoke_mode(&mut self, node: &Node) -> Option<InvokeMode> {
        const EXPECTED: &str = "`buffered` or `response_stream`";
        match text(&mut self.report, node, EXPECTED)?.to_ascii_lowercase().as_str() {
            "buffered" => Some(InvokeMode::Buffered),
            "response_stream" => Some(InvokeMode::ResponseStream),
            _ => wrong(&mut self.report, node, EXPECTED),
        }
    }

    fn cors(&mut self, node: &Node) -> Option<Cors> {
        let before = self.report.reported();
        let fields = fields(&mut self.report, node, "the CORS settings", &CORS_KEYS, &[])?;
        let mut texts = |key: &str, what: &str| -> Vec<String> {
            let Some(node) = fields.get(key) else {
                return Vec::new();
            };
            let entries = one_or_more(&mut self.report, node, what);
            let text = |it: &Node| text(&mut self.report, it, what).map(str::to_owned);
            entries.into_iter().filter_map(text).collect()
        };
        let mut cors = Cors {
            allow_headers: texts("allow_headers", "a header such as `x-custom`, or `\"*\"`"),
            allow_methods: texts("allow_methods", "a method such as `GET`, or `\"*\"`"),
            allow_origins: texts(
                "allow_origins",
                "an origin such as `https://www.example.com`, or `\"*\"`",
            ),
            expose_headers: texts("expose_headers", "a header such as `x-custom`, or `\"*\"`"),
            ..Cors::default()
        };
        if let Some(node) = fields.get("allow_credentials") {
            cors.allow_credentials = boolean(&mut self.report, node)?;
        }
        if let Some(node) = fields.get("max_age") {
            let age = duration(&mut self.report, node)?.as_secs();
            cors.max_age = u32::try_from(age).unwrap_or(u32::MAX);
        }
        if self.report.reported() > before {
            return None;
        }
        accepted(&mut self.report, node.spot, cors.check()).map(|()| cors)
    }
}
