//! Files on a mounted volume of Kubernetes (a ConfigMap, a Secret): links that lead through `..data`, which is set anew.

use crate::support::{Folder, Validity, get, new_folder, run, self_signed};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

/// Gives a volume these files as Kubernetes does: in a new folder, then one rename leads there, then the old one goes.
fn mount(folder: &Folder, volume: &str, number: u32, files: &[(&str, &str)]) {
    let path = |name: &str| folder.path(&format!("{volume}/{name}"));
    let (new, old) = (format!("..{number}"), format!("..{}", number.saturating_sub(1)));
    fs::create_dir_all(path(&new)).unwrap();
    for (name, text) in files {
        fs::write(path(&new).join(name), text).unwrap();
        if number == 0 {
            symlink(format!("..data/{name}"), path(name)).unwrap();
        }
    }
    symlink(&new, path("..data_tmp")).unwrap();
    fs::rename(path("..data_tmp"), path("..data")).unwrap();
    if number > 0 {
        fs::remove_dir_all(path(&old)).unwrap();
    }
}

#[test]
fn a_manifest_on_a_volume_is_followed() {
    let folder = new_folder();
    let write = |number: u32| {
        let text = format!(
            "load_balancers:\n  shop:\n    listeners:\n      - {{ port: 8080, protocol: http, default: {{ fixed_response: \
             {{ status: 200, body: \"{number}\" }} }} }}\n"
        );
        mount(&folder, "config", number, &[("albacore.yaml", &text)]);
    };
    write(0);
    let mut server = folder.up_with("config/albacore.yaml", &[]);
    for number in 1..4 {
        write(number);
        assert_eq!(server.notice("revision")["revision"], number + 1);
        assert_eq!(get(server.socket(8080), "/"), (200, number.to_string()));
    }
}

#[test]
fn a_certificate_on_a_volume_is_followed() {
    let folder = new_folder();
    let manifest = "load_balancers:\n  shop:\n    listeners:\n      - port: 8080\n        protocol: https\n        \
                    certificates: [{ certificate: certs/tls.crt, private_key: certs/tls.key }]\n        \
                    default: { fixed_response: 200 }\n";
    folder.write("albacore.yaml", manifest);
    let write = |number: u32| {
        let pem = self_signed(&folder, &[&format!("n{number}.localhost")], Validity::Now);
        let files = [
            ("tls.crt", pem.certificate.as_str()),
            ("tls.key", pem.private_key.as_str()),
        ];
        mount(&folder, "certs", number, &files);
    };
    write(0);
    let mut server = folder.up(&[]);
    let address = server.socket(8080).to_string();
    for number in 1..4 {
        write(number);
        assert_eq!(server.notice("revision")["revision"], number + 1);
        let found = run(Command::new("openssl").args(["s_client", "-connect", &address])).out;
        assert!(found.contains(&format!("subject=CN = n{number}.localhost")), "{found}");
    }
}
