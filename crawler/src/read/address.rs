//! Helpers that build the addresses of platforms.

use url::Url;

/// Returns the address with these query parameters. Each replaces existing parameters of the same name.
pub(super) fn with_parameters(url: &Url, parameters: &[(&str, &str)]) -> Url {
    let others = without_names(url, parameters);
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(others).extend_pairs(parameters);
    url
}

/// Returns the address with those of these query parameters that it lacks.
pub(super) fn with_defaults(url: &Url, parameters: &[(&str, &str)]) -> Url {
    let has = |name: &str| url.query_pairs().any(|(existing, _)| existing == name);
    let missing: Vec<(&str, &str)> = parameters.iter().filter(|(name, _)| !has(name)).copied().collect();
    with_parameters(url, &missing)
}

/// Returns the address of another path on the same host, without query and fragment.
pub(super) fn with_path(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// Returns the address on `host` if its host is one of `aliases`. Users declare the address their browser
/// shows, which often differs from the API host. An address on another host is returned unchanged: it is a
/// self-hosted instance.
pub(super) fn replace_host(url: &Url, aliases: &[&str], host: &str) -> Url {
    let mut replaced = url.clone();
    if url.host_str().is_some_and(|name| aliases.contains(&name.trim_start_matches("www."))) {
        // `host` is a constant of the callers and always valid.
        let _ = replaced.set_host(Some(host));
    }
    replaced
}

/// Returns the value of a query parameter.
pub(super) fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(existing, _)| existing == name).map(|(_, value)| value.into_owned())
}

/// Returns the non-empty segments of the path.
pub(super) fn segments(url: &Url) -> Vec<&str> {
    url.path_segments().into_iter().flatten().filter(|segment| !segment.is_empty()).collect()
}

/// Returns true if the address has no query parameters except these.
pub(super) fn has_only_parameters(url: &Url, parameters: &[&str]) -> bool {
    url.query_pairs().all(|(name, _)| parameters.contains(&&*name))
}

fn without_names(url: &Url, parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    let is_other = |name: &str| parameters.iter().all(|(parameter, _)| *parameter != name);
    url.query_pairs().into_owned().filter(|(name, _)| is_other(name)).collect()
}
