//! Ten thousand movies, or two thousand in a storm, and a worker that is killed five times.

#![expect(clippy::print_stdout, reason = "shows the number of requests")]

use std::{
    hash::{BuildHasher as _, RandomState},
    pin::pin,
};

use futures_util::future::{Either, join_all, select};
use local::{
    fault_proxy::{Fault, Gate, Rule},
    runtime_api::Function,
};
use serde_json::{Value, json};

use super::{DELIVERIES, PURGE, assert_gone, create_movies, deliver, request_deletion, stream, user_item};
use crate::{
    consistency::assert_consistent,
    test_app::{MOVIES, TestApp},
    weather::in_every_weather,
};

/// The number of Ann's movies, and the least and the most requests before a kill. In total, there are about 600 requests, or
/// 150 in a storm.
const SIZE: (usize, u64, u64) = (10_000, 70, 115);
const SIZE_IN_STORM: (usize, u64, u64) = (2_000, 15, 25);

#[tokio::test]
async fn ten_thousand_movies_are_purged_despite_killed_workers() {
    in_every_weather(1, async |app| {
        let (movies, least, most) = if app.in_storm { SIZE_IN_STORM } else { SIZE };
        let bob = app.create_user("bob").await;
        create_movies(&app, &bob, 200).await;
        let before = app.table_contents();
        let (ann, cem) = (app.create_user("ann").await, app.create_user("cem").await);
        create_movies(&app, &cem, 60).await;
        create_movies(&app, &ann, movies).await;
        request_deletion(&app, &ann).await;
        request_deletion(&app, &cem).await;

        let mut random = Random::new();
        let mut points = Vec::new();
        for kill in 0..5 {
            let point = least + random.below(most - least);
            // At every second kill, the last request succeeded, but its response is lost.
            kill_at(&app, point, kill % 2 == 1).await;
            let left = user_item(&app, &ann).expect("Ann still exists")["movie_count"]["N"].clone();
            points.push(format!("{point} requests, {} left", left.as_str().expect("a number")));
            // One kill of each kind is checked. The check reads all tables, which takes long while there are many movies.
            if kill >= 3 {
                assert_consistent(&app);
            }
            // A run that is out of time does the same, so that there are more records.
            retrigger(&app, &ann.id);
        }
        println!("killed five times, after {}", points.join("; "));

        let records = stream(&app);
        assert_eq!(records.len(), 7);
        let mut deliveries: Vec<&Value> = records.iter().chain(&records).collect();
        for last in (1..deliveries.len()).rev() {
            deliveries.swap(last, usize::try_from(random.below(last as u64 + 1)).expect("a position"));
        }
        app.start_many(PURGE, 3).await;
        let mut times = 0;
        while !deliveries.is_empty() {
            times += 1;
            assert!(times <= DELIVERIES, "given up: {:#?}", app.logs());
            let batches = join_all(deliveries.chunks(3).map(|batch| deliver(&app, batch))).await;
            let failed: Vec<String> = batches.into_iter().flatten().collect();
            deliveries.retain(|record| failed.contains(&super::sequence_number(record)));
        }

        assert_gone(&app, &ann);
        assert_gone(&app, &cem);
        assert_eq!(app.table_contents(), before, "Bob's data is unchanged");
        assert_consistent(&app);
        assert_eq!(app.count(MOVIES, ""), 400);
        assert_eq!(app.sign_up(&ann.email).await.status, 200);
        let calls = app.proxy.calls_of(PURGE);
        let transactions = calls.iter().filter(|call| call.operation == "TransactWriteItems");
        let (done, canceled): (Vec<_>, Vec<_>) = transactions.partition(|call| call.status == 200);
        println!(
            "{movies} and 60 movies with their claims: {} requests, {} transactions done \
         ({} are needed, and 2 to end), {} canceled or cut off; every record delivered \
         {} times; left: 0 movies, 0 claims, 0 users",
            calls.len(),
            done.len(),
            movies.div_ceil(49) + 2,
            canceled.len(),
            1 + times,
        );
    })
    .await;
}

/// Starts a worker, and kills it after this many completed requests.
async fn kill_at(app: &TestApp, point: u64, unheard: bool) {
    let skip = usize::try_from(point).expect("a number");
    let gate = Gate::new();
    if unheard {
        app.proxy.inject(Rule::once(Fault::LoseResponse).from(PURGE).after(skip));
    }
    app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(PURGE).after(skip));
    let worker = Function::start(app.options(PURGE)).await.expect("a worker");
    {
        let event = json!({"Records": stream(app)});
        let working = pin!(worker.invoke(&event));
        let at_the_point = pin!(gate.reached());
        if let Either::Left((outcome, _)) = select(working, at_the_point).await {
            panic!("it ended before it was killed: {outcome:?}");
        }
    }
    worker.kill().await;
    app.proxy.clear_rules();
}

fn retrigger(app: &TestApp, user_id: &str) {
    let mut account_deletion = super::account_deletions(app)
        .into_iter()
        .find(|account_deletion| account_deletion["user_id"]["S"] == user_id)
        .expect("an account deletion");
    let pass: u64 =
        account_deletion["run_count"]["N"].as_str().and_then(|pass| pass.parse().ok()).expect("a number");
    account_deletion["run_count"]["N"] = json!((pass + 1).to_string());
    app.database.put_item(crate::test_app::ACCOUNT_DELETIONS, account_deletion).expect("an item");
}

/// Random numbers.
struct Random {
    state: RandomState,
    drawn: u64,
}

impl Random {
    fn new() -> Self {
        Self { state: RandomState::new(), drawn: 0 }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.drawn += 1;
        self.state.hash_one(self.drawn) % bound
    }
}
