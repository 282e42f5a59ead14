//! Addresses as kinds of source need them.

use url::Url;

/// The address with these parameters: each takes the place of one of its name.
pub(super) fn with(url: &Url, parameters: &[(&str, &str)]) -> Url {
    let kept = without_names(url, parameters);
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(parameters);
    url
}

/// The address with those of these parameters that it has not.
pub(super) fn with_missing(url: &Url, parameters: &[(&str, &str)]) -> Url {
    let has = |name: &str| url.query_pairs().any(|(known, _)| known == name);
    let missing: Vec<(&str, &str)> = parameters.iter().filter(|(name, _)| !has(name)).copied().collect();
    with(url, &missing)
}

/// The same host at another path, without parameters.
pub(super) fn at(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// The same path and parameters at another host, where this one is `named`: what people copy from their browsers is seldom
/// where programs read. Other hosts stay: a platform of one's own is read where it is.
pub(super) fn moved(url: &Url, named: &[&str], host: &str) -> Url {
    let mut moved = url.clone();
    if url.host_str().is_some_and(|known| named.contains(&known.trim_start_matches("www."))) {
        // A host of ours is one.
        let _ = moved.set_host(Some(host));
    }
    moved
}

/// The value of a parameter.
pub(super) fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The parts of its path that say something.
pub(super) fn parts(url: &Url) -> Vec<&str> {
    url.path_segments().into_iter().flatten().filter(|part| !part.is_empty()).collect()
}

/// Whether an address asks for nothing but these.
pub(super) fn asks_only(url: &Url, parameters: &[&str]) -> bool {
    url.query_pairs().all(|(name, _)| parameters.contains(&&*name))
}

fn without_names(url: &Url, parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    let is_kept = |name: &str| parameters.iter().all(|(given, _)| *given != name);
    url.query_pairs().into_owned().filter(|(name, _)| is_kept(name)).collect()
}
