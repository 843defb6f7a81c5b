//! The answer to a write that was done gets lost, and the SDK sends the request again.

use futures_util::future::join_all;
use local::fault_proxy::Fault;
use serde_json::Value;

use super::{PATHS, Path, Stage};
use crate::consistency::assert_consistent;

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_repeated_as_the_same_write_and_succeeds() {
    join_all(PATHS.into_iter().filter(|path| path.writes()).map(loses_the_answer)).await;
}

async fn loses_the_answer(path: Path) {
    let stage = Stage::new(path).await;
    let name = stage.name();
    let case = stage.case(1).await;
    stage.bag.proxy.clear_calls();
    let before = stage.bag.contents();
    let write = path.requests().len() - 1;
    stage.inject(Fault::LoseResponse, write, 1);
    let response = stage.send(&case).await;

    assert_eq!(response.status, path.success(), "{name}: {}", response.body);
    let calls = stage.bag.proxy.calls_of(path.operation());
    let (first, second) = (&calls[write], &calls[write + 1]);
    assert_eq!(first.operation, path.requests()[write], "{name}");
    assert_eq!(first.body, second.body, "{name} sent something else the second time");
    assert_eq!(first.status, 200, "{name}: the first write was done");
    if first.operation == "TransactWriteItems" {
        let token = &first.body["ClientRequestToken"];
        assert!(token.as_str().is_some_and(|token| !token.is_empty()), "{name} has no token: {token}");
        assert_eq!(second.status, 200, "{name} met itself");
        assert_eq!(calls.len(), write + 2, "{name}");
    }
    let added = stage.bag.contents().len().cast_signed() - before.len().cast_signed();
    let expected = match path {
        Path::Signup | Path::Create => 2,
        Path::Delete => -2,
        Path::Leave => 1,
        _ => 0,
    };
    assert_eq!(added, expected, "{name}");
    assert!(stage.took_effect(&case).await, "{name}");
    assert_consistent(&stage.bag);
}

#[tokio::test]
async fn a_clients_own_second_request_is_no_retry() {
    let refusals = [(Path::Signup, 409), (Path::Create, 409), (Path::Delete, 404)];
    let twice = refusals.map(|(path, status)| async move {
        let stage = Stage::new(path).await;
        let case = stage.case(1).await;
        assert_eq!(stage.send(&case).await.status, 200, "{}", stage.name());
        let before = stage.bag.contents();
        let response = stage.send(&case).await;
        assert_eq!(response.status, status, "{}: {}", stage.name(), response.body);
        assert_eq!(stage.bag.contents(), before, "{}", stage.name());
        let tokens: Vec<Value> = stage
            .bag
            .proxy
            .calls_of(path.operation())
            .into_iter()
            .filter(|call| call.operation == "TransactWriteItems")
            .map(|call| call.body["ClientRequestToken"].clone())
            .collect();
        assert!(tokens.len() < 2 || tokens[0] != tokens[1], "{tokens:?}");
    });
    join_all(twice).await;
}
