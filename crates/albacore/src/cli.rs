//! The command line. Every setting of the process is a flag with an `ALBACORE_` variable; resources are configured by the
//! manifest.

mod busy_poll;
mod choices;
mod environments;
mod files;
mod keys;
mod values;

use crate::confinement::CpuShare;
use crate::open_files::{ENDPOINT, Wanted};
pub(crate) use busy_poll::BusyPoll;
pub(crate) use choices::{SandboxChoice, StreamRateChoice};
use clap::{Args, Parser, Subcommand, ValueEnum};
pub(crate) use environments::Environments;
pub(crate) use files::Files;
pub(crate) use keys::Keys;
use model::{AccountId, Owner, Region, Scope};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
pub(crate) use values::Publish;

const EXAMPLES: &str = "\
Examples:
  albacore up                          serve ./albacore.yaml, and again whenever it changes
  albacore up --publish 80:8080        the listener of port 80 on socket port 8080
  albacore check albacore.yaml         find every mistake without starting anything
  albacore explain GET http://localhost:8080/orders/7
                                       which rule matches, and the event the function would get
  albacore invoke orders --payload '{\"id\": 7}'
                                       run a function without a load balancer
  albacore logs -f                     what all functions write, live

Every flag can also be set by the variable that stands beside it in the help of its command.";

/// Application Load Balancers and functions on your own machine, as AWS runs them.
#[derive(Debug, Parser)]
#[command(name = "albacore", version, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Cli {
    /// Write JSON instead of text for people
    #[arg(long, global = true, env = "ALBACORE_JSON", help_heading = "Output")]
    pub(crate) json: bool,
    /// The least important log lines to write to standard error
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "LEVEL",
        default_value = "info",
        env = "ALBACORE_LOG"
    )]
    #[arg(help_heading = "Output")]
    pub(crate) log: LogLevel,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogLevel {
    Off,
    /// Somebody must act
    Error,
    /// It works, but worse
    Warn,
    /// Start, stop, new revision
    Info,
    /// Each request
    Debug,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Open the listeners of a manifest, run its functions, and follow its changes
    #[command(after_help = UP_EXAMPLES)]
    Up(Box<Up>),
    /// Find every mistake in a manifest without starting anything
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Tell what would happen to a request: the rules tried, the action, the event
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Explain),
    /// Run a function of the running albacore, as Lambda's Invoke does
    #[command(after_help = INVOKE_EXAMPLES)]
    Invoke(Box<Invoke>),
    /// Show what functions wrote: START, END and REPORT of each invocation, and their own lines
    #[command(after_help = LOGS_EXAMPLES)]
    Logs(Box<Logs>),
    /// Show how the running albacore is doing
    #[command(after_help = STATUS_WORDS)]
    Status(Status),
    /// Show what this machine can do, and what of the manifest has no effect
    Doctor(Doctor),
}

const STATUS_WORDS: &str = "\
Environments of a function are busy with an invocation, idle when they wait for one, or starting. One whose process has
crashed is idle too: its next invocation starts the process again.";

const UP_EXAMPLES: &str = "\
Examples:
  albacore up examples/hello/albacore.yaml
  albacore up --publish 80:8080 --publish 443:8443      without the right to privileged ports
  albacore up --publish 8080:0 --endpoint 127.0.0.1:0   any free ports; `albacore status` tells them
  albacore up --ephemeral                               leave no files behind
  albacore up --takeover                                another version or other flags, without an interruption

Stop it with Ctrl-C: requests may finish, and a second Ctrl-C does not wait for them. SIGHUP reads the manifest again.";

const CHECK_EXAMPLES: &str = "\
Examples:
  albacore check
  albacore check --json deploy/albacore.yaml    for editors and CI

The exit status is 0 when there is no mistake, otherwise 1.";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  albacore explain GET http://localhost:8080/orders/7
  albacore explain GET /orders/7 -H 'Host: api.example.com'      when there is one listener
  albacore explain POST http://localhost:8080/orders -d @order.json -H 'Content-Type: application/json'
  albacore explain GET http://localhost:8080/ --file albacore.yaml   without a running albacore";

const INVOKE_EXAMPLES: &str = "\
Examples:
  albacore invoke orders                                    the payload is {}
  albacore invoke orders --payload '{\"id\": 7}' --tail
  albacore invoke orders --payload-file event.json
  generate-event | albacore invoke orders --payload-file -  from standard input
  albacore invoke orders --json | jq .request_id

What the function answers goes to standard output, everything else to standard error. The exit status is
  0  the function answered
  1  the function failed: it raised an error, ended, or ran out of time
  2  the function was not run: no albacore is running, no such function, a payload that is no JSON, throttled";

const LOGS_EXAMPLES: &str = "\
Examples:
  albacore logs                       the last 100 lines of all functions, each with its function's name
  albacore logs orders -f             what this function writes, until Ctrl-C or until the server stops
  albacore logs --since 10m --limit 1000
  albacore logs orders --json | jq -r .message

The log of a function stays after a stop, in the data folder: of each log group the last 256 MiB.
The exit status is 0, or 1 when no albacore is running or no such function exists.";

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The manifest
    #[arg(value_name = "FILE", default_value = "albacore.yaml", env = "ALBACORE_MANIFEST")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) resources: Resources,
    /// Let the AWS API change and delete what the manifest owns. A change of the manifest, and a start, make it as the manifest
    /// says again
    #[arg(long, env = "ALBACORE_MANIFEST_UNLOCKED", help_heading = "Resources")]
    pub(crate) manifest_unlocked: bool,
    #[command(flatten)]
    pub(crate) sockets: Sockets,
    #[command(flatten)]
    pub(crate) keys: Keys,
    #[command(flatten)]
    pub(crate) files: Files,
    #[command(flatten)]
    pub(crate) places: Places,
    #[command(flatten)]
    pub(crate) busy_poll: BusyPoll,
    #[command(flatten)]
    pub(crate) environments: Environments,
    /// Memory for request bodies that wait for functions, an equal part for each traffic thread; beyond it they are answered
    /// 503 until there is room again
    #[arg(long, value_name = "SIZE", value_parser = values::size, default_value = "256MB", env = "ALBACORE_BODY_MEMORY")]
    #[arg(help_heading = "Limits")]
    pub(crate) body_memory: usize,
    /// Memory for HTTP/2 streams that clients and targets do not read, an equal part for each traffic thread; beyond it
    /// further streams are answered 503, and clients that go on not reading lose theirs
    #[arg(long, value_name = "SIZE", value_parser = values::size, default_value = "1GB", env = "ALBACORE_STREAM_MEMORY")]
    #[arg(help_heading = "Limits")]
    pub(crate) stream_memory: usize,
    /// Connections to targets that wait for another request, an equal part for each traffic thread; further ones are closed
    /// after their request. Where the limit of open files admits fewer, it is fewer
    #[arg(long, value_name = "N", value_parser = values::connections, default_value = "10000")]
    #[arg(env = "ALBACORE_IDLE_TARGET_CONNECTIONS_MAX", help_heading = "Limits")]
    pub(crate) idle_target_connections_max: usize,
    /// How long requests may finish after a stop was asked for
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "30s", env = "ALBACORE_DRAIN")]
    #[arg(help_heading = "Limits")]
    pub(crate) drain: Duration,
    /// Take the place of the albacore that runs with this data folder, without a connection being refused or reset; when none
    /// runs, start as ever
    #[arg(
        long,
        env = "ALBACORE_TAKEOVER",
        conflicts_with = "ephemeral",
        help_heading = "Sockets"
    )]
    pub(crate) takeover: bool,
    /// How execution environments are confined; `auto` is the strongest that works on this machine
    #[arg(long, value_enum, value_name = "TIER", help_heading = "Functions")]
    #[arg(default_value = "auto", env = "ALBACORE_SANDBOX")]
    pub(crate) sandbox: SandboxChoice,
    /// How much of the processors a function may have, in the tier `namespace`: a share that follows its memory (1,769 MB are
    /// one processor), as on Lambda, or whatever is free. The init is never held back
    #[arg(long, value_enum, value_name = "SHARE", help_heading = "Functions")]
    #[arg(default_value = "memory", env = "ALBACORE_CPU_SHARE")]
    pub(crate) cpu_share: CpuShare,
    /// How fast answers go on that functions stream: 6 MB at once and then 2 MB each second, as on Lambda, or as fast as they
    /// are written and read
    #[arg(long, value_enum, value_name = "RATE", help_heading = "Functions")]
    #[arg(default_value = "lambda", env = "ALBACORE_STREAM_RATE")]
    pub(crate) stream_rate: StreamRateChoice,
    /// The folder with the public runtime clients of Java and .NET, in `java` and `dotnet` in it [default: `runtime-clients` in the
    /// data folder; Java's is found in ~/.m2/repository, too]
    #[arg(
        long,
        value_name = "FOLDER",
        env = "ALBACORE_RUNTIME_CLIENTS",
        help_heading = "Functions"
    )]
    pub(crate) runtime_clients: Option<PathBuf>,
    /// Refuse functions whose runtime names another version of a language than this machine has; otherwise the nearest
    /// version serves, with a warning
    #[arg(long, env = "ALBACORE_STRICT_RUNTIMES", help_heading = "Functions")]
    pub(crate) strict_runtimes: bool,
}

impl Up {
    /// Whose resources the AWS API leaves alone.
    pub(crate) fn protects(&self) -> Option<Owner> {
        (!self.manifest_unlocked).then_some(Owner::Manifest)
    }

    /// What the AWS API is told.
    pub(crate) fn api_settings(&self, session_key: [u8; 32], own_api_token: &str) -> control::ApiSettings {
        let is_signed = self.keys.are_given();
        control::ApiSettings {
            own_api_token: is_signed.then(|| model::Secret::new(own_api_token.to_owned())),
            closed_listeners: control::ClosedListeners::default(),
            dns_suffix: self.resources.dns_suffix.clone(),
            availability_zone: self.resources.zone(),
            manifest: std::path::absolute(&self.file).unwrap_or_else(|_| self.file.clone()),
            credentials: self.keys.credentials(),
            objects: control::Objects::new(self.files.buckets()),
            session_key: model::Secret::new(session_key),
        }
    }

    /// What takes descriptors by the thousand.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            idle_target_connections: self.idle_target_connections_max,
            environments: self.environments.environments_max,
            ..self.places.wanted()
        }
    }
}

/// Client connections where nobody says how many.
const CONNECTIONS_MAX: usize = 100_000;
/// So many client connections people expect of any machine.
const CONNECTIONS_EXPECTED: usize = 1_000;

/// How many clients are served at once, and by how many threads.
#[derive(Clone, Debug, Args)]
pub(crate) struct Places {
    /// Traffic threads; the default is one for each processor
    #[arg(long, value_name = "N", value_parser = values::cores, env = "ALBACORE_CORES", help_heading = "Limits")]
    cores: Option<usize>,
    /// Client connections at once, over all traffic threads; further ones wait in the kernel, and after a second without a
    /// free place they are refused: 503, or closed where TLS is spoken. Not more than the limit of open files admits: a
    /// little less than half of it, because requests need connections to targets too; the default is 100000
    #[arg(long, value_name = "N", value_parser = values::connections)]
    #[arg(env = "ALBACORE_CONNECTIONS_MAX", help_heading = "Limits")]
    connections_max: Option<usize>,
    /// Connections to the endpoint at once, each of them with one call: further ones wait in the kernel. Invocations by the AWS API
    /// and by function URLs come through it
    #[arg(long, value_name = "N", value_parser = values::connections, default_value_t = ENDPOINT)]
    #[arg(env = "ALBACORE_ENDPOINT_CONNECTIONS_MAX", help_heading = "Limits")]
    endpoint_connections_max: usize,
}

impl Places {
    /// The number of traffic threads.
    pub(crate) fn cores(&self) -> usize {
        self.cores
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// What clients take, without idle connections to targets.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            cores: self.cores(),
            client_connections: self.connections_max.unwrap_or(CONNECTIONS_MAX),
            idle_target_connections: 0,
            environments: functions::ENVIRONMENTS_MAX,
            endpoint_connections: self.endpoint_connections_max,
        }
    }

    /// Whether to say, at a start, that only `admitted` clients are served: where more were asked for, and where there
    /// are fewer than most people take for granted. `doctor` always says it.
    pub(crate) fn are_missed(&self, admitted: usize) -> bool {
        self.connections_max.is_some() || admitted < CONNECTIONS_EXPECTED
    }
}

/// What all resources of a manifest share.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Resources")]
pub(crate) struct Resources {
    /// The account in ARNs
    #[arg(long, value_name = "ID", value_parser = values::account, default_value = "000000000000")]
    #[arg(env = "ALBACORE_ACCOUNT")]
    pub(crate) account: AccountId,
    /// The region in ARNs and DNS names
    #[arg(long, value_name = "NAME", value_parser = values::region, default_value = "us-east-1")]
    #[arg(env = "ALBACORE_REGION")]
    pub(crate) region: Region,
    /// The zone that this machine stands for in metrics and among targets; the default is the region's `a`
    #[arg(long, value_name = "NAME", value_parser = values::zone, env = "ALBACORE_AVAILABILITY_ZONE")]
    pub(crate) availability_zone: Option<String>,
    /// What the DNS names of load balancers end in
    #[arg(long, value_name = "NAME", value_parser = values::dns_suffix, default_value = "elb.localhost")]
    #[arg(env = "ALBACORE_DNS_SUFFIX")]
    pub(crate) dns_suffix: String,
}

impl Resources {
    /// The zone of this process.
    pub(crate) fn zone(&self) -> String {
        self.availability_zone
            .clone()
            .unwrap_or_else(|| format!("{}a", self.region))
    }

    pub(crate) fn settings(&self) -> manifest::Settings {
        manifest::Settings {
            scope: Scope {
                region: self.region.clone(),
                account: self.account.clone(),
            },
            dns_suffix: self.dns_suffix.clone(),
            availability_zone: self.zone(),
            own_files: manifest::OwnFiles::default(),
            has_way_to: proxy::has_way_to,
            buckets: manifest::Buckets::Unknown,
        }
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Sockets")]
pub(crate) struct Sockets {
    /// Where the AWS API and albacore's own API (/_albacore/) are; loopback only. Port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:4566",
        env = "ALBACORE_ENDPOINT"
    )]
    pub(crate) endpoint: SocketAddr,
    /// A socket for function URLs alone, beside the endpoint, which answers for them too; their URLs name its port then. Where
    /// it is not on loopback, --access-key is needed. Port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", env = "ALBACORE_FUNCTION_URL_LISTEN")]
    pub(crate) function_url_listen: Option<SocketAddr>,
    /// The address that listeners are opened on
    #[arg(long, value_name = "IP", default_value = "127.0.0.1", env = "ALBACORE_BIND")]
    pub(crate) bind: IpAddr,
    /// Open the listener of a port on another socket port; 0 takes a free one. May be given several times
    #[arg(
        long,
        value_name = "LISTENER:SOCKET",
        value_delimiter = ',',
        env = "ALBACORE_PUBLISH"
    )]
    pub(crate) publish: Vec<Publish>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The manifest
    #[arg(value_name = "FILE", default_value = "albacore.yaml", env = "ALBACORE_MANIFEST")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) resources: Resources,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The method
    #[arg(value_name = "METHOD")]
    pub(crate) method: String,
    /// http://host:port/path, https://host:port/path, or a path alone when there is one listener
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// A header of the request. May be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = values::header)]
    pub(crate) headers: Vec<(String, String)>,
    /// The body of the request; @file reads it from a file
    #[arg(short = 'd', long = "data", value_name = "BODY")]
    pub(crate) data: Option<String>,
    /// The address that the request comes from
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub(crate) client: IpAddr,
    /// Explain by this manifest, without a running albacore
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) resources: Resources,
    #[command(flatten)]
    pub(crate) server: ServerPlace,
}

/// How a running server is found.
#[derive(Debug, Args)]
#[command(next_help_heading = "The running albacore")]
pub(crate) struct ServerPlace {
    /// The data folder of the running albacore
    #[arg(long, value_name = "FOLDER", default_value = ".albacore", env = "ALBACORE_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// Its endpoint; the default stands in its data folder
    #[arg(long, value_name = "ADDRESS", env = "ALBACORE_ENDPOINT")]
    pub(crate) endpoint: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct Invoke {
    /// Its name or ARN
    #[arg(value_name = "FUNCTION")]
    pub(crate) function: String,
    /// The payload, a JSON document; - reads it from standard input. The default is {}
    #[arg(short = 'p', long, value_name = "JSON", conflicts_with = "payload_file")]
    pub(crate) payload: Option<String>,
    /// Read the payload from this file; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) payload_file: Option<PathBuf>,
    /// Do not wait: the event is kept, run in the background and tried again if it fails
    #[arg(long, conflicts_with_all = ["dry_run", "tail", "client_context"])]
    pub(crate) event: bool,
    /// Only find out whether it could be run
    #[arg(long, conflicts_with_all = ["tail", "client_context"])]
    pub(crate) dry_run: bool,
    /// Print the end of the invocation's log, at most 4 KB, to standard error
    #[arg(long)]
    pub(crate) tail: bool,
    /// What the function gets as its client context, a JSON object
    #[arg(long, value_name = "JSON")]
    pub(crate) client_context: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerPlace,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Only these functions
    #[arg(value_name = "FUNCTION")]
    pub(crate) functions: Vec<String>,
    /// Go on with what comes, until Ctrl-C. When the server stops, wait for the next one
    #[arg(short = 'f', long)]
    pub(crate) follow: bool,
    /// Only what is not older than this, for example 90s, 10m or 24h
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub(crate) since: Option<Duration>,
    /// At most this many events before the live ones; the default is 100, or with --since all, up to 10000
    #[arg(long, value_name = "N", value_parser = values::events)]
    pub(crate) limit: Option<usize>,
    /// Only the invocation with this request id
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
    /// Only from this level on (trace, debug, info, warn, error or fatal), where the log is JSON; other lines stay
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<String>,
    /// Begin each line with its time
    #[arg(long)]
    pub(crate) timestamps: bool,
    #[command(flatten)]
    pub(crate) server: ServerPlace,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) server: ServerPlace,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The manifest, if it is there
    #[arg(value_name = "FILE", default_value = "albacore.yaml", env = "ALBACORE_MANIFEST")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) resources: Resources,
    /// The address that listeners are opened on
    #[arg(long, value_name = "IP", default_value = "127.0.0.1", env = "ALBACORE_BIND")]
    pub(crate) bind: IpAddr,
    /// Open the listener of a port on another socket port. May be given several times
    #[arg(
        long,
        value_name = "LISTENER:SOCKET",
        value_delimiter = ',',
        env = "ALBACORE_PUBLISH"
    )]
    pub(crate) publish: Vec<Publish>,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Style: configuration of the process is flags, each with an `ALBACORE_` variable.
    #[test]
    fn every_flag_of_up_has_a_variable() {
        let command = Cli::command();
        let up = command.find_subcommand("up").unwrap();
        let flags = up.get_arguments().chain(command.get_arguments());
        for flag in flags.filter(|flag| !["help", "version"].contains(&flag.get_id().as_str())) {
            let variable = flag.get_env().and_then(|name| name.to_str()).unwrap_or_default();
            assert!(variable.starts_with("ALBACORE_"), "{}", flag.get_id());
        }
    }

    #[test]
    fn a_full_line_is_understood() {
        let line = "albacore up x.yaml --endpoint [::1]:0 --publish 80:8080 --publish 443:0 --cores 2 --drain 5s \
                    --sandbox process --strict-runtimes --access-log off --log-format json --availability-zone eu-west-1b \
                    --log-buckets b --s3-root objects --json --log debug";
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        assert!(cli.json);
        let Command::Up(up) = cli.command else {
            panic!("it is up")
        };
        assert_eq!(
            up.sockets.publish,
            ["80:8080".parse().unwrap(), "443:0".parse().unwrap()]
        );
        assert_eq!(
            (up.places.cores, up.drain, up.strict_runtimes),
            (Some(2), Duration::from_secs(5), true)
        );
        for bad in [
            "albacore",
            "albacore up --cores 0",
            "albacore up --publish 80",
            "albacore up --region EU",
            "albacore up --availability-zone all",
            "albacore up --log-format xml",
            "albacore invoke",
            "albacore invoke f --payload 1 --payload-file x",
            "albacore logs --since soon",
            "albacore logs --limit 10001",
            "albacore x",
        ] {
            assert!(Cli::try_parse_from(bad.split_whitespace()).is_err(), "{bad}");
        }
    }
}
