//! Contract of the audit log.

use super::*;

#[tokio::test]
async fn operator_changes_are_logged() {
    for bench in each().await {
        println!("on {}", bench.name);
        let record = |second, action: &str| AuditRecord {
            at: at(second),
            who: "aigul@ops-1".into(),
            action: action.into(),
            target: "source/s".into(),
            reason: "жөндеу".into(),
        };
        for entry in [record(1, "source pause"), record(2, "source resume")] {
            bench.store.audit(&entry).await.unwrap();
        }
        let trail = bench.store.audit_trail(5).await.unwrap();
        assert_eq!(trail, [record(2, "source resume"), record(1, "source pause")]);
        assert_eq!(bench.store.audit_trail(1).await.unwrap().len(), 1);
    }
}
