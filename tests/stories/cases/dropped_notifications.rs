//! Notifications that are given up are counted, and the status of their channel becomes true again.

use super::notified::Told;
use anyhow::Result;
use serde_json::{Value, json};
use support::SOON;
use support::operator::Operator;
use support::receiver::Receiver;
use support::waits::condition;

support::stories![what_an_environment_stops_sending_while_no_controller_runs_is_dropped_and_counted];

async fn what_an_environment_stops_sending_while_no_controller_runs_is_dropped_and_counted() -> Result<()> {
    let told = Told::begin(&[json!({ "name": "prod" })]).await?;
    let project = &told.project;
    let down = Receiver::start().await?;
    down.answers(500, None)?;
    told.webhook("hook", &down.url()).await?;
    told.notifies(&["hook"]).await?;
    project.start_as(&told.flags).await?;
    let first = told.release("1.0.0", "v1").await?;
    project.ended(&format!("prod-{first}"), "Verified").await?;
    told.until("hook", "both notifications wait", SOON, |status| status["failing"]["waiting"] == 2).await?;
    project.operator(Operator::kill)?;
    project.free_lease().await?;
    told.notifies(&[]).await?;
    project.start_as(&told.flags).await?;
    let is_true = |status: &Value| {
        let whole = json!({ "status": status });
        let ready = condition(&whole, "Ready").is_some_and(|ready| ready["status"] == "True");
        ready && status["failing"].is_null() && status["dropped"] == 2
    };
    told.until("hook", "nothing waits, and both are counted", SOON, is_true).await.map(drop)
}
