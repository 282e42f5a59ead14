//! The declared objects of the demo: a source for each simulated site, and several topics.

use config::{AddressRange, objects};
use origin::{Behaviour, Origin, Site};
use service::by_kind;
use store::Objects;

use crate::terminal::failure::Failure;

/// The topics of the demo.
const TOPICS: &str = r#"
apiVersion: qyran.dev/v1alpha1
kind: Topic
metadata: {name: national-bank}
spec:
  client: demo
  query: '"Ұлттық банк Алматы қаласында" OR "Национальный банк в Алматы" OR "National Bank in Almaty"'
---
apiVersion: qyran.dev/v1alpha1
kind: Topic
metadata: {name: mortgages}
spec:
  client: demo
  query: '"Астанада ипотека" OR "в Астане по вопросу ипотеки" OR "Astana on mortgages"'
---
apiVersion: qyran.dev/v1alpha1
kind: Topic
metadata: {name: caspian}
spec:
  client: demo
  query: '(Каспий* OR Caspian) AND (футбол* OR football) NOT (банк OR bank)'
---
apiVersion: qyran.dev/v1alpha1
kind: Topic
metadata: {name: floods}
spec:
  client: demo
  query: '"Шымкентте су тасқынына" OR "в Шымкенте для подготовки к паводку" OR "Shymkent to prepare for the floods"'
"#;

/// Returns the declared objects of the demo.
pub(super) fn declared_objects(origin: &Origin) -> anyhow::Result<Objects> {
    let mut text = TOPICS.to_owned();
    for site in &origin.world().sites {
        text.push_str("---\n");
        text.push_str(&declaration(origin, site));
    }
    let declared = objects::parse(std::path::Path::new("demo"), &text, objects::SpecChecks::LENIENT);
    if let Some(problem) = declared.problems.first() {
        return Err(
            Failure::failed(format!("the built-in declarations of the demo are invalid: {problem}")).into()
        );
    }
    Ok(by_kind(declared.objects.into_iter().map(|one| one.object).collect()))
}

/// Returns the declaration of the source of a site.
fn declaration(origin: &Origin, site: &Site) -> String {
    let kind = site.source_kind();
    format!(
        "apiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: {}}}\n\
         spec: {{kind: {kind}, url: '{}', languages: [{}], country: kz, every: {{min: 3s, max: 12s}}}}\n",
        site.name.trim_end_matches(".sim"),
        origin.front(site),
        site.language.code()
    )
}

/// Returns the address range of the simulated sites.
pub(super) fn loopback() -> AddressRange {
    AddressRange { network: std::net::Ipv4Addr::new(127, 0, 0, 0).into(), prefix: 8 }
}

/// Returns the number of sites with simulated faults.
pub(super) fn faulty_sites(origin: &Origin) -> usize {
    origin.world().sites.iter().filter(|site| site.behaviour != Behaviour::Healthy).count()
}
