//! The scripts, and how they are called.

use redis::{Script, ToRedisArgs};

macro_rules! script {
    ($name:literal) => {
        Script::new(concat!(include_str!("lua/common.lua"), include_str!(concat!("lua/", $name, ".lua"))))
    };
}

/// Every script. They are sent by their hash; a server that does not know one is told it once.
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

/// A key, which tells a cluster where to, and arguments.
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
