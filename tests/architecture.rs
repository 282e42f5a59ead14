//! Tests of the layers of the workspace, and of rules that the compiler does not check.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The crates of the workspace, each with the crates that it may depend on. A row names only rows above it, so there is
/// no circle.
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

/// Third-party crates, each with the crates of the workspace that may depend on it.
const RESTRICTED_DEPENDENCIES: &[(&str, &[&str])] = &[
    // The baseline of the benchmarks uses the client directly.
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

/// Returns the forbidden dependencies of a crate, as messages.
fn violations(name: &str, dependencies: &[String]) -> Vec<String> {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let Some(may_use) = layers.get(name) else {
        return vec![format!("`{name}` has no row in LAYERS; add the crates that it may depend on")];
    };
    let mut violations = Vec::new();
    for dependency in dependencies {
        if layers.contains_key(dependency.as_str()) && !may_use.contains(&dependency.as_str()) {
            violations.push(format!("`{name}` must not depend on `{dependency}`"));
        }
        if let Some((_, users)) =
            RESTRICTED_DEPENDENCIES.iter().find(|(restricted, _)| restricted == dependency)
            && !users.contains(&name)
        {
            violations.push(format!("only {} may depend on `{dependency}`, not `{name}`", users.join(", ")));
        }
    }
    violations
}

#[test]
fn crates_depend_only_on_the_layers_below() {
    let mut messages = Vec::new();
    for member in members() {
        messages.extend(violations(&member, &dependencies(&Path::new(&member).join("Cargo.toml"))));
    }
    messages.extend(violations("qyran", &dependencies(Path::new("Cargo.toml"))));
    assert!(messages.is_empty(), "{messages:#?}");
}

/// The control of the test above: forbidden dependencies are detected.
#[test]
fn forbidden_dependencies_are_detected() {
    let check = |name: &str, dependency: &str| violations(name, &[dependency.to_owned()]);
    assert_eq!(check("crawler", "store"), ["`crawler` must not depend on `store`"]);
    assert_eq!(check("model", "actors"), ["`model` must not depend on `actors`"]);
    assert_eq!(check("store", "reqwest"), ["only crawler, bench may depend on `reqwest`, not `store`"]);
    assert_eq!(
        check("newcomer", "model"),
        ["`newcomer` has no row in LAYERS; add the crates that it may depend on"]
    );
    assert!(check("actors", "store").is_empty());
}

#[test]
fn each_row_of_the_layers_names_only_rows_above_it() {
    for (row, (name, may_use)) in LAYERS.iter().enumerate() {
        for dependency in *may_use {
            let is_above = LAYERS[..row].iter().any(|(above, _)| above == dependency);
            assert!(is_above, "`{name}` names `{dependency}`, which has no row above it");
        }
    }
}

/// Versions and lints are declared only in the root manifest.
#[test]
fn members_inherit_versions_and_lints() {
    for member in members() {
        let manifest = manifest(&Path::new(&member).join("Cargo.toml"));
        for section in ["dependencies", "dev-dependencies"] {
            let table = manifest.get(section).and_then(toml::Value::as_table);
            for (name, dependency) in table.into_iter().flatten() {
                let is_inherited = dependency.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                assert!(is_inherited, "`{member}` declares its own version of `{name}`");
            }
        }
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "`{member}` declares its own lints");
    }
}

/// Returns the modules that each module of a crate imports: `crate::a::b::X` in `c/d.rs` is an import of `a::b`
/// by `c::d`.
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

/// Returns the paths after `crate::` in a file, without those in tests and comments. A group `crate::a::{b, c}` yields
/// `a::b` and `a::c`.
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

/// Returns the modules that are on a circle of imports, and those that import them.
fn circle(imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut remaining = imports.clone();
    loop {
        let names: BTreeSet<String> = remaining.keys().cloned().collect();
        let before = remaining.len();
        // A module is on no circle if none of its imports remains.
        remaining.retain(|_, targets| targets.iter().any(|target| names.contains(target)));
        if remaining.len() == before {
            return remaining.into_keys().collect();
        }
    }
}

/// Modules have an order in which each imports only earlier ones.
#[test]
fn no_module_is_on_a_circle_of_imports() {
    let members = members().into_iter().map(|member| Path::new(&member).join("src"));
    for folder in members.chain([PathBuf::from("cli")]) {
        let folder = root().join(folder);
        assert_eq!(circle(&imports_of(&folder)), Vec::<String>::new(), "in {}", folder.display());
    }
    // The control: a circle is detected, and a module without imports is not part of it.
    let module = |name: &str, targets: &[&str]| {
        (name.to_owned(), targets.iter().map(|target| (*target).to_owned()).collect::<BTreeSet<_>>())
    };
    let imports = BTreeMap::from([module("a", &["b"]), module("b", &["a"]), module("c", &[])]);
    assert_eq!(circle(&imports), ["a", "b"]);
    let code = "use crate::a::{b, c::D};\n// use crate::e;\nfn f() { crate::g::h() }\n";
    assert_eq!(imported_paths(code), ["a::b", "a::c::D", "g::h"]);
}

/// At most 3 % of the documentation comments begin with a question word.
#[test]
fn documentation_comments_name_the_thing() {
    const QUESTIONS: &[&str] = &["What", "How", "Whether", "Where", "When", "Which", "Who", "Whose", "Why"];
    let (mut count, mut questions) = (0, Vec::new());
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        let mut previous_is_comment = false;
        for line in text.lines().map(str::trim) {
            let comment = line.strip_prefix("/// ").or(line.strip_prefix("//! "));
            if let Some(comment) = comment.filter(|_| !previous_is_comment) {
                count += 1;
                let first = comment.split_whitespace().next().unwrap_or_default();
                if QUESTIONS.contains(&first) {
                    questions.push(format!("{}: {comment}", file.display()));
                }
            }
            previous_is_comment = comment.is_some();
        }
    }
    assert!(questions.len() * 100 <= count * 3, "{} of {count}: {questions:#?}", questions.len());
}

/// A trait with many methods is divided by noun, and a long file by its parts.
#[test]
fn traits_and_files_are_short() {
    const MAX_METHODS: usize = 15;
    const MAX_LINES: usize = 500;
    /// Files that consist of a table of cases.
    const TABLES: &[&str] = &["matcher/src/query/tests/examples.rs"];
    let mut long = Vec::new();
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().count();
        if lines > MAX_LINES && !TABLES.iter().any(|table| file.ends_with(table)) {
            long.push(format!("{}: {lines} lines", file.display()));
        }
        let large = method_counts(&text).into_iter().filter(|(_, methods)| *methods > MAX_METHODS);
        long.extend(large.map(|(name, methods)| format!("{}: {name} has {methods} methods", file.display())));
    }
    assert!(long.is_empty(), "{long:#?}");
    // The control: methods are counted, and those of another block are not.
    let code = "pub trait A {\n    fn b();\n    async fn c();\n}\nimpl A for D {\n    fn b() {}\n}\n";
    assert_eq!(method_counts(code), [("A".to_owned(), 2)]);
}

/// Returns the traits of a file, each with the number of its methods.
fn method_counts(text: &str) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    let mut is_in_trait = false;
    for line in text.lines() {
        let declaration = line.strip_prefix("pub ").or(line.strip_prefix("pub(crate) ")).unwrap_or(line);
        if let Some(rest) = declaration.strip_prefix("trait ") {
            let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            counts.push((name.to_owned(), 0));
            is_in_trait = !line.ends_with('}');
        } else if line == "}" {
            is_in_trait = false;
        } else if line.starts_with("    fn ") || line.starts_with("    async fn ") {
            counts.last_mut().filter(|_| is_in_trait).into_iter().for_each(|(_, count)| *count += 1);
        }
    }
    counts
}

/// Files are named after things of the domain, not after kinds of code.
#[test]
fn files_have_no_generic_names() {
    const GENERIC_NAMES: &[&str] =
        &["utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "types"];
    for file in sources() {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        assert!(!GENERIC_NAMES.contains(&stem.as_str()), "{}: generic file name", file.display());
    }
}

/// Tests that sleep are slow, and fail on a busy machine. Tests use paused time or wait for a condition.
#[test]
fn no_test_sleeps_or_is_ignored() {
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        for forbidden in
            [concat!("thread::", "sleep("), concat!("#[", "ignore"), concat!("#[", "should_panic")]
        {
            assert!(!text.contains(forbidden), "{}: {forbidden}", file.display());
        }
    }
}

/// The sources contain no absolute paths of a development machine.
#[test]
fn sources_contain_no_paths_of_a_machine() {
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        for home in [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/")] {
            // After a letter or digit, it is part of another path, which is allowed.
            let is_path_start =
                |at: usize| !text.get(..at).is_some_and(|before| before.ends_with(char::is_alphanumeric));
            let has_path = text.match_indices(home).any(|(at, _)| is_path_start(at));
            assert!(!has_path, "{}: {home}", file.display());
        }
    }
}

/// Returns the root folder of the repository.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the paths of all Rust files.
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
    assert!(files.len() > 50, "only {} source files were found", files.len());
    files
}

/// Returns the folders of the member crates.
fn members() -> Vec<String> {
    let manifest = manifest(Path::new("Cargo.toml"));
    manifest["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap().to_owned())
        .collect()
}

/// Returns the dependencies that a manifest declares. Development dependencies are not restricted.
fn dependencies(path: &Path) -> Vec<String> {
    let manifest = manifest(path);
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

fn manifest(path: &Path) -> toml::Table {
    fs::read_to_string(root().join(path)).unwrap().parse().unwrap()
}
