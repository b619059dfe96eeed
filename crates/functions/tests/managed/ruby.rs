//! Ruby handlers, and what comes of them.

use crate::Case;
use crate::stage::{Row, check, log_lines, outcomes};
use crate::world::{World, folder_of};
use functions::Source;
use model::Secret;
use model::lambda::function::{Environment, Function};
use model::lambda::logging::{ApplicationLogLevel, LogFormat, SystemLogLevel};

const RUBY: &str = "ruby3.3";

pub(crate) const CASES: &[Case] = &[
    ("ruby_finds_handlers", |world| Box::pin(finds_handlers(world))),
    ("ruby_results_become_json", |world| Box::pin(results_become_json(world))),
    ("ruby_context_and_variables", |world| {
        Box::pin(context_and_variables(world))
    }),
    ("ruby_exceptions", |world| Box::pin(exceptions(world))),
    ("ruby_init_errors", |world| Box::pin(init_errors(world))),
    ("ruby_log_text", |world| Box::pin(log_text(world))),
    ("ruby_log_json", |world| Box::pin(log_json(world))),
    ("ruby_wrapper", |world| Box::pin(wrapper(world))),
];

/// A row whose code is one file.
macro_rules! row {
    ($what:literal, $code:literal, $($event:literal => $outcome:literal),+ $(,)?) => {
        Row { what: $what, handler: "app.handler", files: &[("app.rb", $code)], expected: &[$(($event, $outcome)),+] }
    };
}

async fn finds_handlers(world: World) {
    let rows = [
        Row {
            what: "a method of a file in a folder, which finds what is beside it",
            handler: "lib/app.handler",
            files: &[
                (
                    "lib/app.rb",
                    "require_relative 'other'\nrequire 'lib/third'\ndef handler(event:, context:)\n  [event, X, Y]\nend\n",
                ),
                ("lib/other.rb", "X = 'other'\n"),
                ("lib/third.rb", "Y = 'third'\n"),
            ],
            expected: &[(r#"{"a":[1,"é"]}"#, r#"[{"a":[1,"é"]},"other","third"]"#)],
        },
        Row {
            what: "a method of a class in a module",
            handler: "app.Shop::Orders.handle",
            files: &[(
                "app.rb",
                "module Shop\n  class Orders\n    def self.handle(event:, context:)\n      @count = @count.to_i + 1\n    end\n  end\nend\n",
            )],
            expected: &[("{}", "1"), ("{}", "2")],
        },
        row!("another working directory and no environment",
            "def handler(event:, context:)\n  Dir.chdir('/')\n  ENV.clear\n  event\nend\n",
            "1" => "1", "2" => "2"),
    ];
    check(&world, RUBY, &rows).await;
}

async fn results_become_json(world: World) {
    let rows = [
        row!("nothing", "def handler(event:, context:)\nend\n", "{}" => "null"),
        row!("symbols, times and numbers", "def handler(event:, context:)\n  { a: :b, n: 1.5, t: Time.at(0).utc, u: 'é' }\nend\n",
            "{}" => r#"{"a":"b","n":1.5,"t":"1970-01-01 00:00:00 UTC","u":"é"}"#),
        row!("a stream is sent as it is", "require 'stringio'\ndef handler(event:, context:)\n  StringIO.new('raw')\nend\n",
            "{}" => "raw"),
        row!("what JSON has no word for", "def handler(event:, context:)\n  event['nan'] ? Float::NAN : 1\nend\n",
            r#"{"nan":false}"# => "1"),
    ];
    check(&world, RUBY, &rows).await;
}

async fn context_and_variables(world: World) {
    let code = "
def handler(event:, context:)
  {
    arn: context.invoked_function_arn, name: context.function_name, memory: context.memory_limit_in_mb,
    version: context.function_version, group: context.log_group_name,
    id: context.aws_request_id, left: context.get_remaining_time_in_millis.between?(1, 30_000),
    trace: ENV['_X_AMZN_TRACE_ID'], ENV: ENV['AWS_EXECUTION_ENV'], fd: ENV['_LAMBDA_TELEMETRY_LOG_FD'],
    gems: ENV['GEM_PATH'].split(':').first(4), lib: ENV['RUBYLIB'].split(':').first, home: Dir.pwd, zone: Time.now.zone
  }
end
";
    let function = world.function(RUBY, "app.handler", &[("app.rb", code)]);
    let opt = "/opt/ruby/gems";
    let [outcome] = &outcomes(&world, function, &["{}"]).await[..] else {
        panic!("one outcome");
    };
    let answer: serde_json::Value = serde_json::from_str(outcome).unwrap();
    let expected = serde_json::json!({
        "arn": "arn:aws:lambda:eu-west-1:111122223333:function:f", "name": "f", "memory": "128", "version": "$LATEST",
        "group": "/aws/lambda/f", "id": "ID", "left": true, "trace": "Root=1-5-7", "ENV": "AWS_Lambda_ruby3.3", "fd": null,
        "gems": ["/var/task/vendor/bundle/ruby/3.3.0", format!("{opt}/3.3.0"), answer["gems"][2], answer["gems"][3]],
        "lib": "/var/task", "home": "/var/task", "zone": "UTC",
    });
    assert_eq!(answer, expected);
}

// LAM-I-018: an error has the shape that Ruby's client gives it
async fn exceptions(world: World) {
    let rows = [
        row!("raised by the function", "def deep\n  raise 'told to'\nend\n\ndef handler(event:, context:)\n  event['ok'] or deep\nend\n",
            "{}" => r#"Runtime.Unknown {"errorMessage":"told to","errorType":"Function<RuntimeError>","stackTrace":["/var/task/app.rb:2:in `deep'","/var/task/app.rb:6:in `handler'"]}"#,
            r#"{"ok":1}"# => "1"),
        row!("of a class of its own, with bytes that are no text",
            "class Odd < StandardError; end\ndef handler(event:, context:)\n  raise Odd, \"\\xff\"\nend\n",
            "{}" => "Runtime.Unknown {\"errorMessage\":\"\u{fffd}\",\"errorType\":\"Function<Odd>\",\"stackTrace\":[\"/var/task/app.rb:3:in `handler'\"]}"),
        row!("a name that does not exist ends the runtime, and the next one starts afresh",
            "COUNT = []\ndef handler(event:, context:)\n  COUNT << 1\n  event['ok'] ? COUNT.size : no_such_name\nend\n",
            r#"{"ok":1}"# => "1",
            r#"{"ok":1}"# => "2",
        ),
    ];
    check(&world, RUBY, &rows).await;
    let function = world.function(
        RUBY,
        "app.handler",
        &[(
            "app.rb",
            "COUNT = []\ndef handler(event:, context:)\n  COUNT << 1\n  event['ok'] ? COUNT.size : no_such_name\nend\n",
        )],
    );
    let all = outcomes(&world, function, &[r#"{"ok":1}"#, "{}", r#"{"ok":1}"#]).await;
    assert_eq!((all[0].as_str(), all[2].as_str()), ("1", "1"));
    assert!(all[1].contains(r#""errorType":"Function<NameError>""#), "{}", all[1]);
}

async fn init_errors(world: World) {
    for (what, handler, code, expected) in [
        ("no such file", "gone.handler", "", "Init<LoadError>"),
        ("no method in the name", "app", "", "Init<ArgumentError>"),
        (
            "a file that is no Ruby",
            "app.handler",
            "def handler(\n",
            "Init<SyntaxError>",
        ),
        (
            "a file that raises",
            "app.handler",
            "raise IOError, 'told to'\n",
            "Init<IOError>",
        ),
    ] {
        let function = world.function(RUBY, handler, &[("app.rb", code)]);
        let all = outcomes(&world, function, &["{}"]).await;
        assert!(
            all[0].contains(&format!(r#""errorType":"{expected}""#)),
            "{what}: {all:?}"
        );
    }
    // Nothing checks that there is a method before it is called.
    let function = world.function(RUBY, "app.handler", &[("app.rb", "X = 1\n")]);
    let all = outcomes(&world, function, &["{}"]).await;
    assert!(all[0].contains(r#""errorType":"Function<NoMethodError>""#), "{all:?}");
}

const LOGS: &str = r##"
require 'logger'
def handler(event:, context:)
  puts 'two', ['lines']
  log = Logger.new($stdout)
  log.debug('quiet')
  log.warn('said')
  log.progname = 'shop'
  log.error(ArgumentError.new('odd'))
  Logger.new("#{ENV.fetch('TMPDIR', '/tmp')}/own.log").info('elsewhere')
  $stdout.puts 'plain'
end
"##;

async fn log_text(world: World) {
    let function = world.function(RUBY, "app.handler", &[("app.rb", LOGS)]);
    let folder = folder_of(&function);
    assert_eq!(outcomes(&world, function, &["{}"]).await, ["null"]);
    let lines = log_lines(&world, &folder, Source::Runtime, 4).await;
    assert_eq!(lines[0], "two\nlines");
    let without_stamp = |line: &str| {
        let (level, rest) = line.split_once(", [").unwrap();
        format!("{level} {}", rest.split_once(']').unwrap().1.trim())
    };
    assert_eq!(without_stamp(&lines[1]), "D DEBUG ID -- : quiet");
    assert_eq!(without_stamp(&lines[2]), "W WARN ID -- : said");
    assert_eq!(without_stamp(&lines[3]), "E ERROR ID -- shop: odd (ArgumentError)");
    let plain = log_lines(&world, &folder, Source::Stdout, 1).await;
    assert_eq!(plain, ["plain"]);
}

async fn log_json(world: World) {
    let mut function = world.function(RUBY, "app.handler", &[("app.rb", LOGS)]);
    function.configuration.logging.format = LogFormat::Json {
        application_level: ApplicationLogLevel::Warn,
        system_level: SystemLogLevel::Info,
    };
    let folder = folder_of(&function);
    assert_eq!(outcomes(&world, function, &["{}"]).await, ["null"]);
    // What has no level is below the one that is wanted.
    let lines = log_lines(&world, &folder, Source::Runtime, 2).await;
    let json = |at: usize| -> serde_json::Value { serde_json::from_str(&lines[at]).unwrap() };
    let said = json(0);
    assert_eq!(
        (&said["level"], &said["message"], &said["requestId"]),
        (&"WARN".into(), &"said".into(), &"ID".into())
    );
    let odd = json(1);
    assert_eq!(
        (&odd["errorType"], &odd["logger"]),
        (&"ArgumentError".into(), &"shop".into())
    );
}

/// A wrapper gets the interpreter and its arguments.
async fn wrapper(world: World) {
    let wrapper = "#!/bin/sh\nexport WRAPPED=\"${1##*/} ${2##*/}\"\nexec \"$@\"\n";
    let code = "def handler(event:, context:)\n  ENV['WRAPPED']\nend\n";
    let mut function: Function = world.function(RUBY, "app.handler", &[("app.rb", code), ("wrapper", wrapper)]);
    let variables = [(
        "AWS_LAMBDA_EXEC_WRAPPER".to_owned(),
        Secret::new("/var/task/wrapper".to_owned()),
    )];
    function.configuration.environment = Environment::new(variables.into()).unwrap();
    let all = outcomes(&world, function, &["{}"]).await;
    assert!(
        all[0].starts_with("\"ruby") && all[0].ends_with(" bootstrap.rb\""),
        "{all:?}"
    );
}
