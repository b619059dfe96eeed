//! The calls of the Extensions API on a connection. Source: Lambda 4.5.

use super::Task;
use crate::extensions::{ExtensionRefusal, GivesUp};
use crate::request_id::RequestId;
use crate::runtime_api::answer::{Document, write_document};
use crate::runtime_api::body::{Body, Collected};
use crate::runtime_api::request::{self, ExtensionCall};
use crate::telemetry::Api;
use http1::RequestHead;
use serde::Deserialize;
use std::io;
use tokio::time::Instant;

/// The largest body of a registration, in bytes. The bound is ours.
const REGISTRATION_BYTES_MAX: usize = 64 * 1024;
/// The same of a subscription.
const SUBSCRIPTION_BYTES_MAX: usize = 64 * 1024;

/// A call as far as its head says, free of the bytes it was read from.
pub(super) enum Request {
    Register {
        name: String,
        wants_account: bool,
    },
    Next {
        identifier: Vec<u8>,
    },
    Subscribe {
        api: Api,
        identifier: Vec<u8>,
    },
    GivesUp {
        how: GivesUp,
        identifier: Vec<u8>,
        error_type: String,
    },
}

#[derive(Deserialize)]
struct Registration {
    #[serde(default)]
    events: Vec<String>,
}

impl Request {
    pub(super) fn read(call: ExtensionCall, head: &RequestHead, bytes: &[u8]) -> Self {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let identifier = || request::extension_identifier(head, bytes).to_vec();
        match call {
            ExtensionCall::Register => Self::Register {
                name: text(request::extension_name(head, bytes)),
                wants_account: request::accepts_account_id(head, bytes),
            },
            ExtensionCall::Next => Self::Next {
                identifier: identifier(),
            },
            ExtensionCall::Subscribe(api) => Self::Subscribe {
                api,
                identifier: identifier(),
            },
            ExtensionCall::GivesUp(how) => Self::GivesUp {
                how,
                identifier: identifier(),
                error_type: text(request::extension_error_type(head, bytes)),
            },
        }
    }
}

impl Task<'_> {
    pub(super) async fn serve_extension(
        &mut self,
        request: Request,
        mut body: Body,
        keep_alive: bool,
        expects_continue: bool,
    ) -> io::Result<()> {
        if expects_continue {
            self.out.clear();
            http1::write_continue(&mut self.out);
            self.connection.write_all(&self.out).await?;
        }
        let answered = match request {
            Request::Register { name, wants_account } => self.register(&name, wants_account, &mut body).await?,
            Request::Next { identifier } => {
                body.pass_over(&mut self.reader, &mut self.buffer).await?;
                self.connection.last.set(!keep_alive);
                let asked = Instant::now();
                self.environment.hear_output().await;
                match self.environment.extension_asks(&identifier, self.connection, asked) {
                    Ok(()) => return Ok(()),
                    Err(refusal) => {
                        self.connection.last.set(false);
                        Err(refusal)
                    }
                }
            }
            Request::Subscribe { api, identifier } => {
                let collected = body
                    .collect(&mut self.reader, &mut self.buffer, SUBSCRIPTION_BYTES_MAX)
                    .await?;
                let document = match &collected {
                    Collected::Whole(document) => document.as_ref(),
                    // No subscription either.
                    Collected::TooLarge => b"",
                };
                let subscribed = self.environment.subscribe(&identifier, api, document);
                subscribed.map(|subscribed| match subscribed {
                    Ok(()) => Document::json(200, &"OK".into()),
                    Err(refusal) => {
                        let (status, error_type, message) = refusal.parts(api);
                        Document::error(status, &error_type, &message)
                    }
                })
            }
            Request::GivesUp {
                how,
                identifier,
                error_type,
            } => {
                let gives_up = self.environment.extension_gives_up(&identifier, how, &error_type);
                gives_up.map(|()| Document::accepted())
            }
        };
        body.pass_over(&mut self.reader, &mut self.buffer).await?;
        let document = answered.unwrap_or_else(|refusal| {
            let (error_type, message) = refusal.parts();
            Document::error(403, error_type, &message)
        });
        self.out.clear();
        write_document(&mut self.out, &document, keep_alive);
        self.connection.write_all(&self.out).await
    }

    async fn register(
        &mut self,
        name: &str,
        wants_account: bool,
        body: &mut Body,
    ) -> io::Result<Result<Document, ExtensionRefusal>> {
        let collected = body
            .collect(&mut self.reader, &mut self.buffer, REGISTRATION_BYTES_MAX)
            .await?;
        let registration = match &collected {
            // The name comes first.
            _ if name.is_empty() => Err(ExtensionRefusal::EmptyName),
            Collected::Whole(document) => serde_json::from_slice::<Registration>(document)
                .map_err(|error| ExtensionRefusal::Format(error.to_string())),
            Collected::TooLarge => Err(ExtensionRefusal::Format(format!(
                "the body has more than {REGISTRATION_BYTES_MAX} bytes"
            ))),
        };
        let registered = registration.and_then(|registration| {
            let identifier = self.environment.register_extension(name, &registration.events)?;
            Ok(self.registered(&identifier, wants_account))
        });
        Ok(registered)
    }

    fn registered(&self, identifier: &RequestId, wants_account: bool) -> Document {
        let function = &self.environment.scheduler.function;
        let mut document = serde_json::json!({
            "functionName": function.name.as_str(),
            "functionVersion": function.arn.qualifier().unwrap_or("$LATEST"),
            "handler": function.configuration.handler,
        });
        if wants_account {
            // `arn:{partition}:lambda:{region}:{account}:...`
            document["accountId"] = function.arn.as_str().split(':').nth(4).unwrap_or_default().into();
        }
        Document {
            identifier: Some(*identifier),
            ..Document::json(200, &document)
        }
    }
}
