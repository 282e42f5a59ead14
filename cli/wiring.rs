//! The construction of a node from settings.

use std::sync::Arc;

use actors::{Context, NodeConfig, Pass, ScheduleRobotsStore};
use config::Settings;
use crawler::fetch::{AddressGuard, Http, HttpSettings, TokenReader};
use crawler::robots::RobotsStore;
use crawler::{Door, FetchPolicy};
use model::{Clock, DisabledProtections};

use crate::backend::Backend;
use crate::terminal::failure::Failure;
use crate::terminal::message::print_status;

/// Builds the door to the network from the settings. Fails if the HTTP client cannot be built.
pub(crate) fn door(
    settings: &Settings,
    robots: Arc<dyn RobotsStore>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Door> {
    let fetch = &settings.fetch;
    let ranges = fetch.allow_addresses.clone();
    let guard = AddressGuard::new(
        move |address| ranges.iter().any(|range| range.contains(address)),
        fetch.resolve.clone(),
    );
    let http = Http::new(HttpSettings {
        user_agent: user_agent(settings),
        connect_timeout: fetch.connect_timeout,
        first_byte_timeout: fetch.first_byte_timeout,
        total_timeout: fetch.total_timeout,
        max_wire_bytes: fetch.max_wire_bytes.0,
        max_decoded_bytes: fetch.max_decoded_bytes.0,
        proxy: (!fetch.proxy.is_empty()).then(|| fetch.proxy.clone()),
        guard: guard.clone(),
    })
    .map_err(Failure::failed)?;
    let policy = FetchPolicy {
        agent: fetch.agent.clone(),
        max_crawl_delay: fetch.max_crawl_delay,
        max_retry_after: settings.poll.max_retry_after,
        longest_exchange: fetch.total_timeout,
        guard,
        tokens: TokenReader::new((!fetch.tokens.as_os_str().is_empty()).then(|| fetch.tokens.clone())),
    };
    Ok(Door::new(Arc::new(http), robots, policy, clock))
}

/// Builds the context that all actors of the node share.
pub(crate) fn context(
    settings: &Settings,
    data: &Backend,
    clock: Arc<dyn Clock>,
    pass: Option<Pass>,
) -> anyhow::Result<Context> {
    let robots = Arc::new(ScheduleRobotsStore(data.schedule.clone()));
    let door = door(settings, robots, clock.clone())?;
    Ok(Context::new(
        data.store.clone(),
        data.schedule.clone(),
        door,
        clock,
        node_config(settings, data.node.clone(), pass),
    ))
}

fn node_config(settings: &Settings, name: String, pass: Option<Pass>) -> NodeConfig {
    NodeConfig {
        name,
        hosts: settings.run.hosts,
        credits: settings.run.credits,
        max_decoded: settings.fetch.max_decoded_bytes.0,
        cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        pages: settings.run.pages,
        lease: settings.run.lease,
        stuck_after: settings.run.stuck_after,
        drain: settings.run.drain,
        delay: settings.fetch.delay,
        backoff: settings.poll.backoff,
        max_backoff: settings.poll.max_backoff,
        retention: settings.store.retention,
        history: settings.store.history,
        pass,
        disabled: DisabledProtections::default(),
        listen: settings.node.listen.clone(),
        websub_url: None,
    }
}

/// Warns if no contact address is set: site owners cannot reach the operator then.
pub(crate) fn warn_without_contact(settings: &Settings) {
    if settings.fetch.contact.is_empty() {
        print_status(
            "warning: no contact address for site owners is set; set one with QYRAN_FETCH_CONTACT=https://you.example/bot",
        );
    }
}

fn user_agent(settings: &Settings) -> String {
    let (agent, version) = (&settings.fetch.agent, env!("CARGO_PKG_VERSION"));
    match settings.fetch.contact.as_str() {
        "" => format!("{agent}/{version}"),
        contact => format!("{agent}/{version} (+{contact})"),
    }
}
