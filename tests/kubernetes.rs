//! Project rules for the Kubernetes manifests. `./check` validates the manifests against Kubernetes' schemas.

use std::path::PathBuf;

use config::Settings;

fn manifests() -> Vec<(String, String)> {
    let base = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("k8s/base");
    let files = std::fs::read_dir(base).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Returns the rules of "restricted" pod security and of this project that a manifest with pods violates.
fn violated_rules(manifest: &str) -> Vec<&'static str> {
    let mut rules = vec![
        "runAsNonRoot: true",
        "runAsUser: 65532",
        "type: RuntimeDefault",
        "allowPrivilegeEscalation: false",
        "readOnlyRootFilesystem: true",
        "drop: [\"ALL\"]",
        "automountServiceAccountToken: false",
        "memory: ",
    ];
    if manifest.contains("kind: StatefulSet") {
        rules.extend([
            "path: /livez",
            "path: /readyz",
            "path: /startupz",
            "terminationGracePeriodSeconds: 60",
        ]);
    }
    rules.retain(|rule| !manifest.contains(rule));
    let limits = manifest.split("limits:").nth(1).and_then(|rest| rest.split("probe").next()).unwrap_or("");
    if limits.lines().take(3).any(|line| line.trim_start().starts_with("cpu:")) {
        rules.push("no CPU limit: a throttled node renews its leases late");
    }
    rules
}

#[test]
fn pods_run_with_minimal_privileges() {
    let with_pods =
        |manifest: &str| ["kind: StatefulSet", "kind: Job"].iter().any(|kind| manifest.contains(kind));
    let pods: Vec<(String, String)> =
        manifests().into_iter().filter(|(_, manifest)| with_pods(manifest)).collect();
    assert_eq!(pods.len(), 2, "expected the nodes and the migration");
    for (name, manifest) in pods {
        assert_eq!(violated_rules(&manifest), Vec::<&str>::new(), "{name}");
    }
}

/// The control: a removed rule is reported.
#[test]
fn control_weakened_manifest_violates_the_rules() {
    let (_, nodes) = manifests().into_iter().find(|(name, _)| name == "node-statefulset.yaml").unwrap();
    let weakened = nodes
        .replace("readOnlyRootFilesystem: true", "")
        .replace("memory: 2Gi", "memory: 2Gi\n              cpu: 1");
    assert_eq!(violated_rules(&weakened).len(), 2, "{:?}", violated_rules(&weakened));
}

#[test]
fn settings_of_the_nodes_are_valid() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("k8s/base/qyran.toml");
    let settings = Settings::load(Some(&file), []).unwrap();
    assert!(settings.store.url.starts_with("file:///"), "passwords must come from files");
    let (_, nodes) = manifests().into_iter().find(|(name, _)| name == "node-statefulset.yaml").unwrap();
    let grace = nodes.split("terminationGracePeriodSeconds: ").nth(1).unwrap().lines().next().unwrap();
    let grace: u64 = grace.parse().unwrap();
    assert!(settings.run.drain.as_secs() + 15 < grace, "draining must fit the grace period");
}

/// The network policy denies private addresses to nodes, so that links in untrusted content cannot reach them even if
/// the address guard fails.
#[test]
fn network_policy_denies_private_addresses() {
    let (_, policy) = manifests().into_iter().find(|(name, _)| name == "networkpolicy.yaml").unwrap();
    for range in [
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    ] {
        assert!(policy.contains(&format!("- {range}\n")), "{range}");
    }
}
