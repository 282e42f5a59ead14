//! The Lua scripts and their calls.

use redis::{Script, ToRedisArgs};

macro_rules! script {
    ($name:literal) => {
        Script::new(concat!(include_str!("lua/common.lua"), include_str!(concat!("lua/", $name, ".lua"))))
    };
}

/// All scripts. A script is called by its hash; its source is sent once to a server that does not have it.
pub(super) struct Scripts {
    pub(super) beat: Script,
    pub(super) block: Script,
    pub(super) borrow: Script,
    pub(super) claim: Script,
    pub(super) counts: Script,
    pub(super) head: Script,
    pub(super) host: Script,
    pub(super) next_due: Script,
    pub(super) plan: Script,
    pub(super) reclaim: Script,
    pub(super) remove: Script,
    pub(super) renew: Script,
    pub(super) settle: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            beat: script!("beat"),
            block: script!("block"),
            borrow: script!("borrow"),
            claim: script!("claim"),
            counts: script!("counts"),
            head: script!("head"),
            host: script!("host"),
            next_due: script!("next_due"),
            plan: script!("plan"),
            reclaim: script!("reclaim"),
            remove: script!("remove"),
            renew: script!("renew"),
            settle: script!("settle"),
        }
    }
}

/// The arguments of a script call, and the key that a cluster routes it by.
pub(super) struct Call {
    pub(super) key: String,
    pub(super) arguments: Vec<Vec<u8>>,
}

impl Call {
    pub(super) fn new(key: String) -> Self {
        Self { key, arguments: Vec::new() }
    }

    pub(super) fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        self.arguments.extend(argument.to_redis_args());
        self
    }
}
