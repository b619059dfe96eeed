//! Measures what ALB's side of an invocation costs by itself: the event made of a request, and the answer read.
//!
//! `cargo run --release -p albacore-proxy --example lambda_codec [ROUNDS]`
//!
//! The request is a browser's, with ten headers and two query pairs; the answer has a status, three headers and a body of
//! 100 bytes. The event is counted from the parsed head to the finished document, with the trace id drawn and the forwarded
//! headers made; the answer from the bytes to the response that is handed on. Prints nanoseconds, the best and the median of
//! many rounds: on a machine that does other things too the best one is the truth.
#![forbid(unsafe_code)]

use model::command::function::CreateFunction;
use model::command::listener::CreateListener;
use model::command::load_balancer::CreateLoadBalancer;
use model::command::target_group::CreateTargetGroup;
use model::elb::action::{Actions, Answer, Forward, WeightedTargetGroup};
use model::elb::health_check::HealthCheck;
use model::elb::listener::{ListenerAttributes, ListenerProtocol};
use model::elb::load_balancer::{LoadBalancerAttributes, Scheme};
use model::elb::name::{LoadBalancerName, TargetGroupName};
use model::elb::target_group::{LambdaTargets, TargetKind};
use model::lambda::function::{
    AwsApi, Code, CodeLocation, Environment, EphemeralStorage, FunctionConfiguration, FunctionMemory, FunctionName,
    FunctionTimeout, Layers,
};
use model::lambda::logging::Logging;
use model::lambda::runtime::Runtime;
use model::{
    AccountId, Command, Context, FunctionArn, ListenerArn, LoadBalancerArn, Owner, Region, ResourceId, RuleArn, Scope,
    State, TargetGroupArn, decide,
};
use proxy::measure::LambdaCodec;
use std::error::Error;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

// The server's allocator, as in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const REQUEST: &[u8] = b"GET /orders/list?page=2&sort=date HTTP/1.1\r\n\
Host: shop.example.net\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
Accept-Language: en-GB,en;q=0.7\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Referer: https://shop.example.net/orders\r\n\
Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark\r\n\
Sec-Fetch-Mode: navigate\r\n\
Sec-Ch-Ua: \"Chromium\";v=\"126\", \"Not/A)Brand\";v=\"8\"\r\n\
Connection: keep-alive\r\n\r\n";

const ROUNDS: usize = 500;
const PER_ROUND: u32 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = match std::env::args().nth(1) {
        Some(text) => text.parse::<usize>()?.max(1),
        None => ROUNDS,
    };
    let mut codec = LambdaCodec::new(&state()?, REQUEST).ok_or("the request reaches no function")?;
    let document = format!(
        r#"{{"statusCode":200,"headers":{{"Content-Type":"text/html; charset=utf-8","Cache-Control":"no-store","X-Request-Id":"7f3c2a9e"}},"body":"{}"}}"#,
        "<p>hello</p>".repeat(9).get(..100).unwrap_or_default()
    );
    let event = codec.event(b"").ok_or("the request is not UTF-8")?;
    if codec.answer(document.as_bytes()) != Some((2, 100)) {
        return Err("the answer is not read as it is written".into());
    }
    println!("event of {} bytes, answer of {} bytes", event.len(), document.len());
    let events = nanoseconds(rounds, || drop(black_box(codec.event(black_box(b"")))));
    let answers = nanoseconds(rounds, || {
        black_box(codec.answer(black_box(document.as_bytes())));
    });
    let line =
        |what: &str, (best, median): (f64, f64)| println!("{what:<9} best {best:>7.1} ns   median {median:>7.1} ns");
    line("event", events);
    line("answer", answers);
    line("together", (events.0 + answers.0, events.1 + answers.1));
    Ok(())
}

/// The best and the median round, for one call.
fn nanoseconds(count: usize, mut call: impl FnMut()) -> (f64, f64) {
    let mut rounds: Vec<f64> = (0..count)
        .map(|_| {
            let began = Instant::now();
            (0..PER_ROUND).for_each(|_| call());
            began.elapsed().as_nanos() as f64 / f64::from(PER_ROUND)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    (rounds[0], rounds[count / 2])
}

/// One load balancer on port 8080, whose requests all go to one function.
fn state() -> Result<State, Box<dyn Error>> {
    let scope = Scope {
        region: Region::try_from("us-east-1")?,
        account: AccountId::try_from("123456789012")?,
    };
    let load_balancer = LoadBalancerArn::new(&scope, "shop", ResourceId(1));
    let listener = ListenerArn::new(&load_balancer, ResourceId(2));
    let group = TargetGroupArn::new(&scope, "orders", ResourceId(3));
    let function = FunctionArn::new(&scope, "orders");
    let forward = Forward::new(
        vec![WeightedTargetGroup {
            target_group: group.clone(),
            weight: 1,
        }],
        None,
    )?;
    let commands = [
        Command::CreateFunction(CreateFunction {
            arn: function.clone(),
            name: FunctionName::try_from("orders")?,
            configuration: FunctionConfiguration {
                runtime: Runtime::ProvidedAl2023,
                handler: "bootstrap".to_owned(),
                timeout: FunctionTimeout::default(),
                memory: FunctionMemory::default(),
                environment: Environment::default(),
                concurrency: None,
                provisioned: 0,
                ephemeral_storage: EphemeralStorage::default(),
                logging: Logging::default(),
                layers: Layers::default(),
                network: None,
                aws_api: AwsApi::default(),
            },
            code: Code {
                location: CodeLocation::Executable(PathBuf::from("/bin/true")),
                revision: "1".into(),
            },
            owner: Owner::Manifest,
        }),
        Command::CreateTargetGroup(CreateTargetGroup {
            arn: group.clone(),
            name: TargetGroupName::try_from("orders")?,
            targets: TargetKind::Lambda(LambdaTargets {
                function: None,
                multi_value_headers: false,
                health_check: HealthCheck::of_lambda(),
            }),
            owner: Owner::Manifest,
        }),
        Command::RegisterFunction(group, function),
        Command::CreateLoadBalancer(CreateLoadBalancer {
            arn: load_balancer.clone(),
            name: LoadBalancerName::try_from("shop")?,
            scheme: Scheme::InternetFacing,
            dns_name: "shop-123456789.us-east-1.elb.localhost".to_owned(),
            attributes: LoadBalancerAttributes::default(),
            owner: Owner::Manifest,
        }),
        Command::CreateListener(CreateListener {
            arn: listener.clone(),
            default_rule: RuleArn::new(&listener, ResourceId(0)),
            load_balancer,
            port: 8080,
            protocol: ListenerProtocol::Http,
            default_actions: Actions::from(Answer::Forward(forward)),
            attributes: ListenerAttributes::default(),
            owner: Owner::Manifest,
        }),
    ];
    let mut state = State::default();
    for command in &commands {
        let commit = decide(&state, command, &Context::default())?;
        commit.changes.iter().for_each(|change| state.apply(change));
    }
    Ok(state)
}
