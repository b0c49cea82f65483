//! Other services from here on, over the same connection.

use super::*;

#[tokio::test]
async fn a_new_service_is_read_an_old_one_is_not_told_again_and_the_connection_stays() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.run("SET coalmine:alert:app x").await;
    client.run("SET coalmine:alert:new:monitor y").await;
    client.run("SET coalmine:drain:new:web1 y").await;
    client.run("SET old 1").await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "=x").await;
    let connections = client.run("INFO stats").await;
    let old = vec![CompatKey::Text("old".to_owned())];
    bus.handle.rewatch(vec![watched("app", vec![]), watched("new", vec![])]).await.unwrap();
    let reading = timeout(PATIENCE, async {
        loop {
            let reading = bus.readings.recv().await.unwrap();
            assert_ne!(reading.service, app(), "told again");
            if reading.service.as_str() == "new" {
                return reading;
            }
        }
    });
    assert_eq!(shown(&reading.await.unwrap().owners), "monitor=y");
    let marks = timeout(PATIENCE, async {
        loop {
            let reading = bus.marks.recv().await.unwrap();
            if reading.service.as_str() == "new" {
                return reading.marks;
            }
        }
    });
    assert_eq!(marked(&marks.await.unwrap()), "drain web1");
    let received =
        |info: &str| info.lines().find(|line| line.starts_with("total_connections_received")).map(str::to_owned);
    assert_eq!(received(&client.run("INFO stats").await), received(&connections));

    bus.handle.rewatch(vec![watched("app", old)]).await.unwrap();
    bus.expect(PATIENCE, "=x,compat:old=1").await;
    client.run("SET coalmine:alert:new z").await;
    client.run("SET coalmine:alert:app w").await;
    bus.expect(PATIENCE, "=w,compat:old=1").await;
    client.run("DEL old").await;
    bus.expect(PATIENCE, "=w").await;
    bus.finish();
}

#[tokio::test]
async fn in_memory_a_new_service_is_told_at_once() {
    let mut bus = Bus::in_memory(None);
    bus.raise("p99").await;
    bus.handle.rewatch(vec![watched("new", vec![]), watched("app", vec![])]).await.unwrap();
    let new = async { while bus.marks.recv().await.unwrap().service.as_str() != "new" {} };
    timeout(PATIENCE, new).await.expect("told in time");
    assert_eq!(bus.clear().await, "");
}
