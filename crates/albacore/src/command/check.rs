//! `albacore check`: every mistake of a manifest, and nothing else happens.

use crate::cli::{Check, Resources};
use crate::data_dir::temporary_path;
use crate::issuer::LazyAuthority;
use crate::output;
use crate::plan::{Plan, Problem, Problems};
use anyhow::Result;
use model::State;
use serde_json::json;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

pub(super) fn run(args: &Check, json: bool) -> Result<ExitCode> {
    let outcome = plan_alone(&args.file, &args.resources)?;
    let file = args.file.display();
    if json {
        output::print_json(&document(&args.file, &outcome));
    }
    match outcome {
        Ok(plan) => {
            if !json {
                warn(plan.loaded.warnings.iter().map(ToString::to_string));
                output::print(&format!("{file}: ok ({})", contents(&plan.state)));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            if !json {
                warn(problems.warnings.iter().map(ToString::to_string));
                problems
                    .all
                    .iter()
                    .for_each(|problem| output::error(&problem.to_string()));
                output::error(&format!("{file}: {}", output::count(problems.all.len(), "mistake")));
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The plan of a manifest for a server that has nothing yet, with certificates of an authority nobody will ever trust.
/// Whatever only the compiled table would refuse is a problem too.
pub(super) fn plan_alone(file: &Path, resources: &Resources) -> Result<Result<Plan, Problems>> {
    let folder = temporary_path()?;
    let issuer = LazyAuthority::new(folder.clone());
    let planned = Plan::make(
        file,
        &resources.settings(),
        &issuer,
        &State::default(),
        SystemTime::now(),
    );
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    Ok(planned.and_then(|plan| match proxy::check_state(&plan.state) {
        Ok(()) => Ok(plan),
        Err(error) => {
            let problem = match &error {
                proxy::AloneError::Table(error) => plan.problem(error),
                other => plan.problem(other),
            };
            Err(Problems::of(vec![problem], plan.loaded))
        }
    }))
}

fn warn(warnings: impl Iterator<Item = String>) {
    warnings.for_each(|warning| output::error(&format!("warning: {warning}")));
}

fn document(file: &Path, outcome: &Result<Plan, Problems>) -> serde_json::Value {
    match outcome {
        Ok(plan) => {
            let warnings: Vec<_> = plan.loaded.warnings.iter().cloned().map(Problem::from).collect();
            let resources = json!({
                "load_balancers": plan.state.load_balancers().count(),
                "listeners": plan.state.listeners().count(),
                "rules": plan.state.rules().count(),
                "target_groups": plan.state.target_groups().count(),
                "certificates": plan.state.certificates().count(),
                "functions": plan.state.functions().count(),
            });
            json!({ "file": file, "ok": true, "mistakes": [], "warnings": warnings, "resources": resources })
        }
        Err(problems) => {
            json!({ "file": file, "ok": false, "mistakes": problems.all, "warnings": problems.warnings })
        }
    }
}

/// What a state has, for people.
fn contents(state: &State) -> String {
    let counts = [
        (state.load_balancers().count(), "load balancer"),
        (state.listeners().count(), "listener"),
        (state.rules().count(), "rule"),
        (state.target_groups().count(), "target group"),
        (state.certificates().count(), "certificate"),
        (state.functions().count(), "function"),
    ];
    let counts = counts.into_iter().filter(|(number, _)| *number > 0);
    let texts: Vec<_> = counts.map(|(number, thing)| output::count(number, thing)).collect();
    if texts.is_empty() {
        "nothing in it".to_owned()
    } else {
        texts.join(", ")
    }
}
