//! The layers of the workspace, and the rules that no compiler keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each crate and the crates of the workspace that it may depend on. A row names only rows above it, so there can be no
/// circle.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("origin", &[]),
    ("servers", &[]),
    ("api", &[]),
    ("config", &["model"]),
    ("matcher", &["model"]),
    ("crawler", &["model"]),
    ("scheduler", &["model", "servers"]),
    ("store", &["model", "servers"]),
    ("service", &["model", "config", "matcher", "crawler", "scheduler", "store"]),
    ("actors", &["model", "matcher", "crawler", "scheduler", "store", "service"]),
    (
        "bench",
        &[
            "model",
            "origin",
            "servers",
            "config",
            "matcher",
            "crawler",
            "scheduler",
            "store",
            "service",
            "actors",
        ],
    ),
    (
        "qyran",
        &[
            "model",
            "origin",
            "servers",
            "api",
            "config",
            "matcher",
            "crawler",
            "scheduler",
            "store",
            "service",
            "actors",
        ],
    ),
];

/// Third-party crates that only some of our crates may name.
const OWNED: &[(&str, &[&str])] = &[
    // The baseline of the benchmarks is a bare client.
    ("reqwest", &["crawler", "bench"]),
    ("scraper", &["crawler"]),
    ("feed-rs", &["crawler"]),
    ("trafilatura", &["crawler"]),
    ("quick-xml", &["crawler"]),
    ("encoding_rs", &["crawler"]),
    ("ractor", &["actors"]),
    ("rusqlite", &["scheduler", "store"]),
    ("redis", &["scheduler"]),
    ("axum", &["api"]),
    ("hyper", &["origin", "api"]),
    ("prometheus-client", &["actors"]),
    ("tokio-postgres", &["store"]),
    ("rust-stemmers", &["matcher"]),
    ("saphyr", &["config"]),
    ("toml", &["config"]),
    ("clap", &["qyran", "bench"]),
    ("anyhow", &["qyran", "bench"]),
    ("ratatui", &["qyran"]),
    ("tracing-subscriber", &["qyran"]),
];

/// What is wrong with the dependencies of one crate.
fn wrongs(name: &str, dependencies: &[String]) -> Vec<String> {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let Some(may_use) = layers.get(name) else {
        return vec![format!("`{name}` has no row in LAYERS: say what it may depend on")];
    };
    let mut wrongs = Vec::new();
    for dependency in dependencies {
        if layers.contains_key(dependency.as_str()) && !may_use.contains(&dependency.as_str()) {
            wrongs.push(format!("`{name}` must not depend on `{dependency}`"));
        }
        if let Some((_, owners)) = OWNED.iter().find(|(owned, _)| owned == dependency)
            && !owners.contains(&name)
        {
            wrongs.push(format!("only {} may depend on `{dependency}`, not `{name}`", owners.join(", ")));
        }
    }
    wrongs
}

#[test]
fn crates_depend_only_on_the_layers_below() {
    let mut found = Vec::new();
    for member in members() {
        found.extend(wrongs(&member, &dependencies(&Path::new(&member).join("Cargo.toml"))));
    }
    found.extend(wrongs("qyran", &dependencies(Path::new("Cargo.toml"))));
    assert!(found.is_empty(), "{found:#?}");
}

/// The control: the rules see a broken tree.
#[test]
fn broken_layers_are_seen() {
    let of = |name: &str, dependency: &str| wrongs(name, &[dependency.to_owned()]);
    assert_eq!(of("crawler", "store"), ["`crawler` must not depend on `store`"]);
    assert_eq!(of("model", "actors"), ["`model` must not depend on `actors`"]);
    assert_eq!(of("store", "reqwest"), ["only crawler, bench may depend on `reqwest`, not `store`"]);
    assert_eq!(of("newcomer", "model"), ["`newcomer` has no row in LAYERS: say what it may depend on"]);
    assert!(of("actors", "store").is_empty());
}

#[test]
fn each_layer_names_only_layers_above_it() {
    for (row, (name, may_use)) in LAYERS.iter().enumerate() {
        for used in *may_use {
            assert!(LAYERS[..row].iter().any(|(above, _)| above == used), "`{name}` names `{used}` below it");
        }
    }
}

/// Every version stands in one place.
#[test]
fn versions_stand_in_the_workspace_only() {
    for member in members() {
        let manifest = manifest(&Path::new(&member).join("Cargo.toml"));
        for section in ["dependencies", "dev-dependencies"] {
            for (name, wanted) in manifest.get(section).and_then(toml::Value::as_table).into_iter().flatten()
            {
                let inherited = wanted.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                assert!(inherited, "`{member}` gives `{name}` a version of its own");
            }
        }
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "`{member}` has lints of its own");
    }
}

/// Returns the modules that each module of a crate imports: `crate::a::b::X` in `c/d.rs` leads from `c::d` to `a::b`.
fn imports_of(source: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let module = |path: &Path| -> String {
        let path = path.strip_prefix(source).unwrap().with_extension("");
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        parts.join("::").trim_end_matches("::mod").to_owned()
    };
    let files: Vec<PathBuf> = sources().into_iter().filter(|file| file.starts_with(source)).collect();
    assert!(!files.is_empty(), "no source file in {}", source.display());
    let modules: BTreeSet<String> = files.iter().map(|file| module(file)).collect();
    let mut imports = BTreeMap::new();
    for file in &files {
        let own = module(file);
        if own == "lib" || own == "main" || own.split("::").any(|part| part.ends_with("tests")) {
            continue;
        }
        let mut targets = imported_paths(&fs::read_to_string(file).unwrap())
            .into_iter()
            .filter_map(|path| {
                let mut parts: Vec<&str> = path.split("::").collect();
                while !parts.is_empty() && !modules.contains(&parts.join("::")) {
                    parts.pop();
                }
                Some(parts.join("::")).filter(|target| !target.is_empty())
            })
            .collect::<BTreeSet<_>>();
        targets.remove(&own);
        imports.insert(own, targets);
    }
    imports
}

/// Returns the paths behind `crate::` in a file, without its tests and comments. A group `crate::a::{b, c}` gives `a::b`
/// and `a::c`.
fn imported_paths(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code: String = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
        .flat_map(|line| [line, " "])
        .collect();
    let mut paths = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let (path, rest) = rest.split_at(end);
        match rest.strip_prefix('{').and_then(|group| group.split('}').next()) {
            Some(group) => paths.extend(group.split(',').map(|name| format!("{path}{}", name.trim()))),
            None => paths.push(path.to_owned()),
        }
    }
    paths
}

/// Returns the modules on a circle of imports.
fn circle(imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut left = imports.clone();
    loop {
        let names: BTreeSet<String> = left.keys().cloned().collect();
        let before = left.len();
        // A module whose imports are all settled is on no circle.
        left.retain(|_, targets| targets.iter().any(|target| names.contains(target)));
        if left.len() == before {
            return left.into_keys().collect();
        }
    }
}

/// Modules can be read in an order in which each builds on those before it.
#[test]
fn no_module_is_on_a_circle_of_imports() {
    let members = members().into_iter().map(|member| Path::new(&member).join("src"));
    for folder in members.chain([PathBuf::from("cli")]) {
        let folder = root().join(folder);
        assert_eq!(circle(&imports_of(&folder)), Vec::<String>::new(), "in {}", folder.display());
    }
    // The control: a circle is found, and what only leads to it is not.
    let module = |name: &str, targets: &[&str]| {
        (name.to_owned(), targets.iter().map(|target| (*target).to_owned()).collect::<BTreeSet<_>>())
    };
    let imports = BTreeMap::from([module("a", &["b"]), module("b", &["a"]), module("c", &[])]);
    assert_eq!(circle(&imports), ["a", "b"]);
    let code = "use crate::a::{b, c::D};\n// use crate::e;\nfn f() { crate::g::h() }\n";
    assert_eq!(imported_paths(code), ["a::b", "a::c::D", "g::h"]);
}

/// Documentation comments name the thing. At most 3 % begin with a question word.
#[test]
fn documentation_comments_name_the_thing() {
    const QUESTIONS: &[&str] = &["What", "How", "Whether", "Where", "When", "Which", "Who", "Whose", "Why"];
    let (mut all, mut questions) = (0, Vec::new());
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        let mut previous_is_comment = false;
        for line in text.lines().map(str::trim) {
            let comment = line.strip_prefix("/// ").or(line.strip_prefix("//! "));
            if let Some(comment) = comment.filter(|_| !previous_is_comment) {
                all += 1;
                let first = comment.split_whitespace().next().unwrap_or_default();
                if QUESTIONS.contains(&first) {
                    questions.push(format!("{}: {comment}", file.display()));
                }
            }
            previous_is_comment = comment.is_some();
        }
    }
    assert!(questions.len() * 100 <= all * 3, "{} of {all}: {questions:#?}", questions.len());
}

/// A file or folder called after a kind of code instead of a thing of the domain is a drawer.
#[test]
fn there_are_no_drawers() {
    const DRAWERS: &[&str] =
        &["utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "types"];
    for file in sources() {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        assert!(!DRAWERS.contains(&stem.as_str()), "{}: named after no thing of the domain", file.display());
    }
}

/// A test that sleeps is slow, and flickers on a busy machine: waiting is paused time, or a condition.
#[test]
fn no_test_sleeps_and_none_is_ignored() {
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        for forbidden in
            [concat!("thread::", "sleep("), concat!("#[", "ignore"), concat!("#[", "should_panic")]
        {
            assert!(!text.contains(forbidden), "{}: {forbidden}", file.display());
        }
    }
}

/// Nothing of a machine or a workplace stands in the repository.
#[test]
fn no_path_of_a_machine_is_written_down() {
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        for home in [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/")] {
            // Behind a word it is a part of a longer path, which may be anything.
            let begins =
                |at: usize| !text.get(..at).is_some_and(|before| before.ends_with(char::is_alphanumeric));
            let is_there = text.match_indices(home).any(|(at, _)| begins(at));
            assert!(!is_there, "{}: {home}", file.display());
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = members().iter().map(|member| root().join(member)).collect();
    folders.extend([root().join("cli"), root().join("tests")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 50, "where is the code? {} files", files.len());
    files
}

fn members() -> Vec<String> {
    let manifest = manifest(Path::new("Cargo.toml"));
    manifest["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap().to_owned())
        .collect()
}

/// Development dependencies are free by intention: tests may look at anything.
fn dependencies(path: &Path) -> Vec<String> {
    let manifest = manifest(path);
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

fn manifest(path: &Path) -> toml::Table {
    fs::read_to_string(root().join(path)).unwrap().parse().unwrap()
}
