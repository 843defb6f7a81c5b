use std::time::Instant;

use tokio::io::{DuplexStream, duplex};

use super::*;

const DELAY: Duration = Duration::from_millis(300);

/// Returns the client's end and the database's end of a connection through a front.
async fn connection(traffic: &Arc<Traffic>) -> (DuplexStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (upstream, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (upstream, (database, _)) = (upstream.expect("a connection"), accepted.expect("a connection"));
    let ((client, front), traffic) = (duplex(64), Arc::clone(traffic));
    tokio::spawn(async move { forward(front, upstream, &traffic).await });
    (client, database)
}

fn traffic(delay: Duration) -> Arc<Traffic> {
    let traffic = Traffic::default();
    traffic.delay.store(u64::try_from(delay.as_nanos()).expect("a short time"), Ordering::Relaxed);
    Arc::new(traffic)
}

async fn pass(from: &mut (impl AsyncWrite + Unpin), to: &mut (impl AsyncRead + Unpin), text: &str) {
    from.write_all(text.as_bytes()).await.expect("an open connection");
    let mut received = vec![0; text.len()];
    to.read_exact(&mut received).await.expect("all bytes");
    assert_eq!(received, text.as_bytes());
}

#[tokio::test]
async fn each_request_is_delayed_and_counted_once() {
    let traffic = traffic(DELAY);
    let (mut client, mut database) = connection(&traffic).await;
    for requests in 1..=2 {
        let sent = Instant::now();
        pass(&mut client, &mut database, "a request").await;
        let arrived = sent.elapsed();
        assert!(arrived >= DELAY, "{arrived:?}");
        pass(&mut client, &mut database, "the rest of it").await;
        pass(&mut database, &mut client, "a response").await;
        let all = sent.elapsed();
        assert!(all < 2 * DELAY, "{all:?}");
        assert_eq!(traffic.requests.load(Ordering::Relaxed), requests);
    }
}

#[tokio::test]
async fn concurrent_requests_are_delayed_at_the_same_time() {
    let traffic = traffic(DELAY);
    let sent = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..20 {
        let (mut client, mut database) = connection(&traffic).await;
        clients.spawn(async move { pass(&mut client, &mut database, "a request").await });
    }
    clients.join_all().await;
    let all = sent.elapsed();
    assert!(DELAY <= all && all < 10 * DELAY, "{all:?}");
}

#[tokio::test]
async fn a_delay_of_a_millisecond_is_not_two() {
    let mut pauses = Vec::new();
    for _ in 0..21 {
        let begun = Instant::now();
        pause(Duration::from_millis(1)).await.expect("a timer");
        pauses.push(begun.elapsed());
    }
    // A busy machine wakes some of them late.
    pauses.sort();
    assert!(pauses[0] >= Duration::from_millis(1) && pauses[5] < Duration::from_micros(1_700), "{pauses:?}");
}
