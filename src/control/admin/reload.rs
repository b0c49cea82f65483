//! Reading the configuration again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::Admin;
use super::operator::Operator;
use super::refusal::Refusal;

/// The way to whoever reloads. Each message is one reload, answered when it is in force, or with every mistake of the
/// file when nothing has changed.
pub type Reloads = mpsc::Sender<oneshot::Sender<Result<Reloaded, String>>>;

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// What is in force and was not before.
    pub changed: Vec<String>,
    /// What the file says and only a restart brings.
    pub needs_restart: Vec<String>,
}

/// `POST /api/v1/reload`. Who goes away before the answer may leave the new file in force.
pub(super) async fn reload(State(admin): State<Admin>, operator: Operator) -> Result<Json<Reloaded>, Refusal> {
    let reloaded = ask(admin.reload.as_ref()).await?;
    operator.changed_all("configuration reloaded");
    Ok(Json(reloaded))
}

async fn ask(reloads: Option<&Reloads>) -> Result<Reloaded, Refusal> {
    let Some(reloads) = reloads else {
        let error = "this balancer was not started from a file that it could read again";
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, error, "restart it"));
    };
    let gone = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "reload: the balancer is stopping", "ask the next one");
    let (reply, answer) = oneshot::channel();
    reloads.send(reply).await.map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?.map_err(|reasons| {
        let remedy = "nothing has changed; correct the file (`coalmine check` reads it as well) and reload again";
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, reasons, remedy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(with: Option<Result<Reloaded, String>>) -> Result<Reloaded, Refusal> {
        let (reloads, mut asked) = mpsc::channel::<oneshot::Sender<_>>(1);
        let reloader = async move {
            let reply = asked.recv().await.unwrap();
            if let Some(answer) = with {
                reply.send(answer).unwrap();
            }
        };
        tokio::join!(ask(Some(&reloads)), reloader).0
    }

    #[tokio::test]
    async fn a_reload_is_answered_with_what_it_did_or_what_is_wrong() {
        let done = Reloaded { changed: vec!["service web".to_owned()], needs_restart: Vec::new() };
        assert_eq!(answered(Some(Ok(done.clone()))).await.unwrap(), done);
        let refusal = answered(Some(Err("listen.http: no".to_owned()))).await.unwrap_err();
        assert_eq!((refusal.status(), refusal.error()), (StatusCode::UNPROCESSABLE_ENTITY, "listen.http: no"));
        assert_eq!(answered(None).await.unwrap_err().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask(None).await.unwrap_err().status(), StatusCode::NOT_IMPLEMENTED);
    }
}
