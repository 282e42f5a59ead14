//! The catalogue: unverified sources of Kazakhstan, its neighbours and the world.

use std::path::Path;

use config::objects::{Object, SpecChecks, parse};
use model::Source;

use crate::terminal::failure::Failure;

/// The files of the catalogue, embedded in the binary so that the catalogue belongs to this build.
const FILES: &[(&str, &str)] = &[
    ("kazakhstan.yaml", include_str!("../../../config/catalogue/kazakhstan.yaml")),
    ("central-asia.yaml", include_str!("../../../config/catalogue/central-asia.yaml")),
    ("russia.yaml", include_str!("../../../config/catalogue/russia.yaml")),
    ("international.yaml", include_str!("../../../config/catalogue/international.yaml")),
];

/// Returns all sources of the catalogue.
pub(super) fn load() -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (name, text) in FILES {
        let loaded = parse(Path::new(name), text, SpecChecks::LENIENT);
        if let Some(problem) = loaded.problems.first() {
            return Err(Failure::failed(format!("the built-in catalogue is invalid: {problem}")).into());
        }
        sources.extend(loaded.objects.into_iter().filter_map(|declared| match declared.object {
            Object::Source(source) => Some(source),
            _ => None,
        }));
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn catalogue_sources_are_complete_and_have_unique_names() {
        let sources = load().unwrap();
        let names: HashSet<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(names.len(), sources.len());
        for source in &sources {
            assert!(source.country.is_some() && !source.languages.is_empty(), "{}", source.name);
            assert_eq!(crawler::read::endpoint(source.kind, &source.url).err(), None, "{}", source.name);
        }
        assert!(sources.iter().filter(|source| source.country.as_deref() == Some("kz")).count() >= 20);
    }
}
