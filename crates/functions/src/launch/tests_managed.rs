//! Commands and variables of Java, Ruby and .NET.

use super::tests::{command, function, interpreter, launch_of, spec_of, variables_of};
use super::*;

#[test]
fn java_is_started_with_lambdas_options_and_its_own_give_way() {
    let java = interpreter(Language::Java);
    let with = |options: &[(&str, &str)]| {
        let spec = spec_of(&function("java21", options), Choice::Exact(&java));
        command(&spec).join(" ")
    };
    assert_eq!(
        with(&[]),
        "/opt/jdk/bin/java -XX:MaxHeapSize=111411k -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData \
         -Djava.net.preferIPv4Stack=true --add-opens=java.base/java.io=ALL-UNNAMED \
         -classpath /data/runtimes/java-1/lib/a.jar:/data/runtimes/java-1/lib/b.jar \
         com.amazonaws.services.lambda.runtime.api.client.AWSLambda app.main"
    );
    let tuned = with(&[("JAVA_TOOL_OPTIONS", "-Xmx64m -XX:+UseZGC -XX:-TieredCompilation")]);
    assert!(
        tuned.starts_with("/opt/jdk/bin/java -XX:-UsePerfData -Djava"),
        "{tuned}"
    );

    // Without a client on the host, the function's own is looked for where Lambda looks for classes.
    let bare = Interpreter {
        packages: Vec::new(),
        ..interpreter(Language::Java)
    };
    let spec = spec(&Launch {
        layers: Some(Path::new("/data/layers/1")),
        ..launch_of(&function("java17", &[]), Choice::Nearest(&bare))
    });
    let words = command(&spec).join(" ");
    assert!(
        words.contains("-classpath /srv/orders:/srv/orders/lib/*:/data/layers/1/java/lib/* com.amazonaws"),
        "{words}"
    );
}

#[test]
fn ruby_finds_packages_by_the_version_that_the_runtime_names_and_by_the_one_that_serves() {
    let ruby = interpreter(Language::Ruby);
    let spec = spec_of(&function("ruby3.4", &[]), Choice::Nearest(&ruby));
    assert_eq!(command(&spec), ["/usr/bin/ruby3.1", "/data/runtimes/ruby/bootstrap.rb"]);
    let variables = variables_of(spec);
    for (name, expected) in [
        ("GEM_HOME", "/data/runtimes/ruby"),
        (
            "GEM_PATH",
            "/srv/orders/vendor/bundle/ruby/3.4.0:/opt/ruby/gems/3.4.0:/srv/orders/vendor/bundle/ruby/3.1.0:\
             /opt/ruby/gems/3.1.0:/data/runtimes/ruby:/usr/share/gems",
        ),
        ("RUBYLIB", "/srv/orders:/data/runtimes/ruby/lib:/opt/ruby/lib"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_ruby3.4"),
    ] {
        assert_eq!(variables.get(name).map(String::as_str), Some(expected), "{name}");
    }
    let own = spec_of(&function("ruby3.4", &[("GEM_PATH", "/mine")]), Choice::Nearest(&ruby));
    assert_eq!(variables_of(own)["GEM_PATH"], "/mine");
}

#[test]
fn dotnet_runs_an_assembly_or_its_client() {
    let dotnet = interpreter(Language::Dotnet);
    let with = |handler: &str, choice| {
        let mut function = function("dotnet8", &[]);
        handler.clone_into(&mut function.configuration.handler);
        spec_of(&function, choice)
    };
    let library = with("Shop::Shop.Orders::Handle", Choice::Nearest(&dotnet));
    assert_eq!(
        command(&library),
        [
            "/opt/dotnet/dotnet",
            "exec",
            "--roll-forward",
            "Major",
            "--depsfile",
            "/srv/orders/Shop.deps.json",
            "--runtimeconfig",
            "/srv/orders/Shop.runtimeconfig.json",
            "/data/runtimes/dotnet-1/Amazon.Lambda.RuntimeSupport.dll",
            "Shop::Shop.Orders::Handle"
        ]
    );
    let variables = variables_of(library);
    assert_eq!(variables["DOTNET_ROOT"], "/opt/dotnet");
    assert_eq!(variables["LAMBDA_RUNTIME_NAME"], "dotnet8");
    let program = with("Shop", Choice::Exact(&dotnet));
    assert_eq!(
        command(&program)[1..],
        [
            "exec",
            "--depsfile",
            "/srv/orders/Shop.deps.json",
            "--runtimeconfig",
            "/srv/orders/Shop.runtimeconfig.json",
            "/srv/orders/Shop.dll"
        ]
    );
}
