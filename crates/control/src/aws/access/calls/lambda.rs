//! What calls of Lambda are about, and who may have functions run. Source: Lambda 6.

use super::{Asked, given};
use crate::aws::access::{OfResource, RESOURCES_MAX, RequestTags, Why, arn, context, decide_beside, denied};
use crate::aws::error::AwsError;
use crate::aws::sign_in::{Caller, Who};
use crate::aws::{json, lambda};
use crate::lambda::name::Reference;
use crate::own_api::query;
use hyper::http::request::Parts;
use model::iam::evaluate::Request;
use model::lambda::layer::{LayerArn, LayerVersionArn, is_layer_name};
use model::lambda::policy::{FunctionUse, Principal, Statement};
use model::lambda::url::UrlAuth;
use model::{AccountId, FunctionArn, State};
use serde_json::{Map, Value};

/// What all operations need that have a function run.
const INVOKE: &str = "lambda:InvokeFunction";

/// Operations that are about the version or the alias which a call names. Others are about the function.
const QUALIFIED: [&str; 22] = [
    "AddPermission",
    "CreateFunctionUrlConfig",
    "DeleteFunction",
    "DeleteFunctionEventInvokeConfig",
    "DeleteFunctionUrlConfig",
    "DeleteProvisionedConcurrencyConfig",
    "GetFunction",
    "GetFunctionConfiguration",
    "GetFunctionEventInvokeConfig",
    "GetFunctionUrlConfig",
    "GetPolicy",
    "GetProvisionedConcurrencyConfig",
    "GetRuntimeManagementConfig",
    "Invoke",
    "InvokeAsync",
    "InvokeWithResponseStream",
    "PutFunctionEventInvokeConfig",
    "PutProvisionedConcurrencyConfig",
    "PutRuntimeManagementConfig",
    "RemovePermission",
    "UpdateFunctionEventInvokeConfig",
    "UpdateFunctionUrlConfig",
];

/// A call as it is routed.
struct Routed {
    operation: &'static str,
    /// What the path names, or, where it names nothing, body or query.
    named: Vec<String>,
    qualifier: Option<String>,
    /// What the path is about: `functions`, `layers`, `tags`.
    family: String,
}

impl Asked<'_> {
    pub(super) fn lambda(&self, parts: &Parts) -> Result<(), AwsError> {
        // What is not built is refused by the service, which asks the same.
        let Some((operation, named)) = lambda::routed(parts.method.as_str(), parts.uri.path()) else {
            return Ok(());
        };
        let parameters = |wanted: &str| -> Vec<String> {
            let all = query::pairs(parts.uri.query().unwrap_or_default());
            all.filter_map(|(name, value)| (name == wanted).then_some(value))
                .collect()
        };
        let operation = sister(operation, &parameters);
        let action = match operation {
            "Invoke" | "InvokeWithResponseStream" | "InvokeAsync" => INVOKE.to_owned(),
            "GetLayerVersionByArn" => "lambda:GetLayerVersion".to_owned(),
            name => format!("lambda:{name}"),
        };
        let qualifiers = parameters("Qualifier");
        // Whoever reads the call would have to choose.
        if qualifiers.len() > 1 {
            return Err(denied(&self.scope.account, self.caller, &action, "*", None));
        }
        let mut routed = Routed {
            operation,
            named: named.into_iter().map(query::unescaped).collect(),
            qualifier: qualifiers.into_iter().next().filter(|_| operation != "InvokeAsync"),
            family: parts.uri.path().split('/').nth(2).unwrap_or_default().to_owned(),
        };
        if action == INVOKE {
            let resources = self.resources(&routed);
            return self.may_invoke(resources.last().map_or("*", String::as_str));
        }
        let input = self.members();
        if operation == "CreateFunction" {
            let name = input.get("FunctionName").and_then(Value::as_str);
            routed.named = name.map(str::to_owned).into_iter().collect();
        }
        if operation == "GetLayerVersionByArn" {
            routed.named = parameters("Arn").into_iter().take(1).collect();
        }
        let resources = self.resources(&routed);
        let taken = match operation {
            "UntagResource" => parameters("tagKeys"),
            _ => Vec::new(),
        };
        let given = given(operation, &input).map(|given| given.without(taken));
        let configures = matches!(operation, "CreateFunction" | "UpdateFunctionConfiguration");
        let network = configures.then(|| lambda::vpc::facts(self.state, self.scope, &input));
        let network = network.as_ref().map_or(&[][..], |facts| &facts[..]);
        if matches!(operation, "GetLayerVersion" | "GetLayerVersionByArn") {
            return self.may_get_layers(&resources);
        }
        self.allows(&action, &resources, network, given.as_ref())?;
        if operation == "CreateFunction" && given.as_ref().is_none_or(RequestTags::gives) {
            self.allows("lambda:TagResource", &resources, &[], given.as_ref())?;
        }
        match configures {
            true => self.may_configure(&input),
            false => Ok(()),
        }
    }

    /// The members of the body. Most operations have none, and what cannot be read is refused where it is read.
    fn members(&self) -> Map<String, Value> {
        let parsed = json::bounded(self.body)
            .ok()
            .and_then(|()| serde_json::from_slice(self.body).ok());
        parsed.unwrap_or_default()
    }

    /// The ARNs that a call is about.
    fn resources(&self, routed: &Routed) -> Vec<String> {
        let Routed {
            operation,
            named,
            qualifier,
            family,
        } = routed;
        let first = named.first().map(String::as_str);
        match (family.as_str(), first) {
            ("functions", Some(name)) => {
                let Ok(reference) = Reference::read(name, qualifier.as_deref(), self.scope) else {
                    return first
                        .filter(|arn| arn.starts_with("arn:"))
                        .map(str::to_owned)
                        .into_iter()
                        .collect();
                };
                let arn = reference.arn(self.scope);
                let qualified = reference.qualifier().map(|qualifier| format!("{arn}:{qualifier}"));
                match qualified {
                    Some(qualified) if QUALIFIED.contains(operation) => vec![qualified],
                    // They are about the function, whatever else is named.
                    Some(qualified) => vec![arn.to_string(), qualified],
                    None => vec![arn.to_string()],
                }
            }
            ("layers", Some(name)) if is_layer_name(name) => {
                let layer = LayerArn::new(self.scope, name);
                vec![layer_resource(&layer.to_string(), named.get(1))]
            }
            ("layers", Some(arn)) if LayerArn::try_from(arn).is_ok() => vec![layer_resource(arn, named.get(1))],
            (_, Some(arn)) if arn.starts_with("arn:") => vec![arn.to_owned()],
            _ => Vec::new(),
        }
    }

    /// What a configuration brings along: whoever gives a function a role hands on what the role may, and whoever gives it a
    /// layer reads that. Source: Lambda 8.9.
    fn may_configure(&self, input: &Map<String, Value>) -> Result<(), AwsError> {
        if let Some(role) = input.get("Role").and_then(Value::as_str) {
            let service = vec!["lambda.amazonaws.com".to_owned()];
            let facts = [("iam:PassedToService", service)];
            self.allows(
                "iam:PassRole",
                &[role.to_owned()],
                &facts,
                Some(&RequestTags::default()),
            )?;
        }
        let layers = input.get("Layers").and_then(Value::as_array).into_iter().flatten();
        let layers: Vec<_> = layers.filter_map(Value::as_str).map(str::to_owned).collect();
        match &layers[..] {
            [] => Ok(()),
            layers => self.may_get_layers(layers),
        }
    }

    /// Their own policies say so of every layer, or the layer's. Whether another account's layer is open to this account at all is
    /// the service's to say.
    fn may_get_layers(&self, layers: &[String]) -> Result<(), AwsError> {
        let action = "lambda:GetLayerVersion";
        let refused = |layer: &str, why| denied(&self.scope.account, self.caller, action, layer, why);
        if layers.len() > RESOURCES_MAX {
            return Err(refused("*", None));
        }
        if layers.is_empty() {
            return self.allows(action, &[], &[], Some(&RequestTags::default()));
        }
        for layer in layers {
            let arn = LayerVersionArn::try_from(layer.as_str()).ok();
            let version = arn.and_then(|arn| self.state.lambda().layer_version(&arn));
            let is_open = version.is_some_and(|it| {
                let mut statements = it.statements.iter();
                statements.any(|it| it.account.is_none() && it.organization.is_none())
            });
            let of_resource = match is_open {
                true => OfResource::Allows,
                false => OfResource::Nothing,
            };
            self.decides(action, layer, Some(&RequestTags::default()), of_resource)
                .map_err(|why| refused(layer, Some(why)))?;
        }
        Ok(())
    }

    /// Their own policies say so, or the function's. Source: Lambda 6.5.
    fn may_invoke(&self, resource: &str) -> Result<(), AwsError> {
        let why = may(self.state, &self.scope.account, self.caller, FunctionUse::API, resource);
        why.map_err(|why| denied(&self.scope.account, self.caller, INVOKE, resource, Some(why)))
    }
}

/// Operations that share a route: the query tells them from each other.
fn sister(operation: &'static str, parameters: &dyn Fn(&str) -> Vec<String>) -> &'static str {
    let says = |name: &str, value: &str| parameters(name).first().is_some_and(|it| it == value);
    match operation {
        "ListLayers" if says("find", "LayerVersion") => "GetLayerVersionByArn",
        "GetProvisionedConcurrencyConfig" if says("List", "ALL") => "ListProvisionedConcurrencyConfigs",
        operation => operation,
    }
}

/// A layer, or the version of it that a call names: `01` is the first one, too.
fn layer_resource(layer: &str, version: Option<&String>) -> String {
    match version.map(|version| {
        version
            .parse::<u64>()
            .map_or(version.clone(), |number| number.to_string())
    }) {
        Some(version) => format!("{layer}:{version}"),
        None => layer.to_owned(),
    }
}

/// Whether somebody may call a function by its URL: both actions are needed. Source: Lambda 6.6.
pub(crate) fn may_use_url(state: &State, account: &AccountId, caller: &Caller, function: &FunctionArn) -> bool {
    if matches!(caller.who, Who::Root | Who::RootSession(_)) {
        return true;
    }
    let may = |wanted| may(state, account, caller, wanted, function.as_str()).is_ok();
    may(FunctionUse::of_url(UrlAuth::AwsIam)) && may(FunctionUse::BY_URL)
}

/// Keys that do not belong to what is done are known, and have no value.
fn facts(wanted: FunctionUse) -> [(&'static str, Vec<String>); 2] {
    let auth = wanted.url_auth.map(|auth| match auth {
        UrlAuth::None => "NONE",
        UrlAuth::AwsIam => "AWS_IAM",
    });
    let values = |value: Option<String>| value.into_iter().collect();
    [
        ("lambda:FunctionUrlAuthType", values(auth.map(str::to_owned))),
        (
            "lambda:InvokedViaFunctionUrl",
            values(wanted.by_url.map(|it| it.to_string())),
        ),
    ]
}

/// Whether the caller's policies say so, or the policy of the very function, version or alias that is named: they have one each,
/// and `$LATEST` by that name has none. Source: Lambda 6.1.
fn may(state: &State, account: &AccountId, caller: &Caller, wanted: FunctionUse, resource: &str) -> Result<(), Why> {
    let context = context(account, caller, &facts(wanted));
    let request = Request {
        action: wanted.action,
        resource,
        context: &context,
    };
    let named = FunctionArn::try_from(resource).ok();
    let policy = named.and_then(|named| state.function_policy(&named));
    let is_named = |statement: &Statement| is_named(account, caller, statement) && statement.allows(wanted);
    let of_resource = match policy.is_some_and(|it| it.statements.iter().any(is_named)) {
        true => OfResource::Allows,
        false => OfResource::Nothing,
    };
    decide_beside(state.iam(), caller, &request, of_resource)
}

/// Whether a statement means the caller.
fn is_named(account: &AccountId, caller: &Caller, statement: &Statement) -> bool {
    let own = arn(account, caller);
    let role = match &caller.who {
        Who::Role(role, _) => Some(role.arn()),
        _ => None,
    };
    match &statement.principal {
        Principal::Everyone => true,
        Principal::Arn(arn) => **arn == *own || role.is_some_and(|role| **arn == *role),
        // The account hands on what it may to whom its own policies let.
        Principal::Account(_) | Principal::Service(_) => false,
    }
}
