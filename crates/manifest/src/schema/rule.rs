//! An entry of `rules`.

use super::Walk;
use super::action::{ACTIONS, NOT_BUILT_ACTIONS};
use super::condition::CONDITIONS;
use super::listener::Protocol;
use super::regex::{Case, compiles};
use crate::mistake::Spot;
use crate::reader::{Fields, accepted, fields, integer, text};
use crate::yaml::Node;
use model::command::rule::CreateRule;
use model::elb::rule::RulePriority;
use model::elb::transform::{Rewrite, Transforms};
use model::{ListenerArn, Owner};
use std::collections::BTreeMap;

impl Walk<'_> {
    /// `priorities` holds the priorities of the same listener and where they stand.
    pub(super) fn rule(
        &mut self,
        listener: &ListenerArn,
        protocol: Option<Protocol>,
        priorities: &mut BTreeMap<RulePriority, Spot>,
        node: &Node,
    ) {
        let known: Vec<&str> = ["priority", "rewrite_host", "rewrite_url"]
            .into_iter()
            .chain(CONDITIONS)
            .chain(ACTIONS)
            .collect();
        let Some(fields) = fields(&mut self.report, node, "a rule", &known, NOT_BUILT_ACTIONS) else {
            return;
        };
        let priority = self.priority(&fields, priorities);
        let conditions = self.conditions(&fields);
        let host = self.rewrite(&fields, "rewrite_host", Case::Ignored);
        let url = self.rewrite(&fields, "rewrite_url", Case::Kept);
        let actions = self.actions(&fields, "the rule", protocol);
        self.warn_of_rewrites(&fields);
        let (Some(priority), Some(conditions), Some(host), Some(url), Some((answer, actions))) =
            (priority, conditions, host, url, actions)
        else {
            return;
        };
        let create = CreateRule {
            arn: self.ids().rule(listener, priority),
            listener: listener.clone(),
            priority,
            conditions,
            transforms: Transforms { host, url },
            actions,
            owner: Owner::Manifest,
        };
        self.desired
            .place_answer(create.arn.as_str(), self.report.place(answer));
        let placed = self.placed(node.spot, create);
        self.desired.rules.push(placed);
    }

    /// Requests that are answered here go nowhere.
    fn warn_of_rewrites(&mut self, fields: &Fields<'_>) {
        let forwards = !fields.present(&["forward"]).is_empty() || fields.present(&ACTIONS).is_empty();
        for (key, _) in fields.present(&["rewrite_host", "rewrite_url"]) {
            if !forwards {
                let message = format!("`{}` has no effect: the rule does not forward", key.text);
                self.report.warning(key.spot, message);
            }
        }
    }

    fn priority(&mut self, fields: &Fields<'_>, priorities: &mut BTreeMap<RulePriority, Spot>) -> Option<RulePriority> {
        let expected = "a priority from 1 to 50000";
        let node = fields.require(&mut self.report, "priority", expected)?;
        let number = integer(&mut self.report, node, expected)?;
        let priority = accepted(&mut self.report, node.spot, RulePriority::try_from(number))?;
        if let Some(first) = priorities.get(&priority) {
            let message = format!(
                "found priority {priority} twice; expected each priority once in a listener (it stands at {first} already)"
            );
            self.report.mistake(node.spot, message);
            return None;
        }
        priorities.insert(priority, node.spot);
        Some(priority)
    }

    /// The rewrite under `name`: `Some(None)` without one, `None` when it is wrong.
    fn rewrite(&mut self, rule: &Fields<'_>, name: &str, case: Case) -> Option<Option<Rewrite>> {
        let Some(node) = rule.get(name) else {
            return Some(None);
        };
        let fields = fields(&mut self.report, node, "a rewrite", &["regex", "replace"], &[])?;
        let regex = fields.require(&mut self.report, "regex", "a regular expression");
        let replace = fields.require(&mut self.report, "replace", "the text to put in its place");
        let regex_text = regex.and_then(|node| text(&mut self.report, node, "a regular expression"));
        let replace_text = replace.and_then(|node| text(&mut self.report, node, "the text to put in its place"));
        // Each part is checked beside a good one, so that both may be wrong at once.
        let regex_good = regex.zip(regex_text).and_then(|(node, regex)| {
            accepted(&mut self.report, node.spot, Rewrite::new(regex, ""))?;
            compiles(&mut self.report, node.spot, regex, case).then_some(())
        });
        let replace_good = replace
            .zip(replace_text)
            .and_then(|(node, replace)| accepted(&mut self.report, node.spot, Rewrite::new("x", replace)));
        regex_good?;
        replace_good?;
        Rewrite::new(regex_text?, replace_text?).ok().map(Some)
    }
}
