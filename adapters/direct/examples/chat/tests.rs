use super::*;
use std::net::SocketAddr;

#[tokio::test]
async fn a_client_that_comes_back_with_its_token_is_known() {
    let server = Server::start().await;
    let mut client = server.client("").await;
    client.hears("hello stranger 0").await;
    let token = client.says_first("good morning").await;
    client.hears("said stranger good morning").await;
    drop(client);

    let mut again = server.client(&token).await;
    again.hears("hello stranger 1").await;
    again.send("still here").await;
    // Told nothing of tokens: it keeps the one that it has.
    again.hears("said stranger still here").await;
}

#[tokio::test]
async fn signing_in_replaces_the_token_and_keeps_the_data() {
    let server = Server::start().await;
    let mut client = server.client("").await;
    client.hears("hello stranger 0").await;
    let before = client.says_first("hm").await;
    client.hears("said stranger hm").await;
    let after = client.signs_in("ada").await;
    client.hears("hello ada 1").await;
    assert_ne!(before, after);

    server.client(&after).await.hears("hello ada 1").await;
    // Within the grace the old token still leads to what it always led to, and to nothing more.
    let mut old = server.client(&before).await;
    old.hears("hello stranger 1").await;
    old.send("me too").await;
    old.hears("no: your token has been replaced").await;
}

#[tokio::test]
async fn a_sign_in_while_another_connection_speaks_loses_nothing_that_was_said() {
    for _ in 0..50 {
        let server = Server::start().await;
        let mut one = server.client("").await;
        one.hears("hello stranger 0").await;
        let token = one.says_first("one").await;
        one.hears("said stranger one").await;
        let mut other = server.client(&token).await;
        other.hears("hello stranger 1").await;

        // Either may come first.
        let (signed_in, ()) = tokio::join!(one.signs_in("ada"), other.send("two"));
        let was_said = match other.next().await.as_str() {
            "said stranger two" => true,
            "no: your token has been replaced" => false,
            line => panic!("{line}"),
        };
        let hello = format!("hello ada {}", 1 + u32::from(was_said));
        server.client(&signed_in).await.hears(&hello).await;
    }
}

#[tokio::test]
async fn a_revoked_session_is_cut_off() {
    let server = Server::start().await;
    let mut lost = server.client("").await;
    lost.hears("hello stranger 0").await;
    lost.signs_in("ada").await;
    lost.hears("hello ada 0").await;
    let mut stranger = server.client("").await;
    stranger.hears("hello stranger 0").await;
    let mut owner = server.client("").await;
    owner.hears("hello stranger 0").await;
    owner.signs_in("ada").await;
    owner.hears("hello ada 0").await;

    owner.send("/others").await;
    owner.hears("ended 1").await;
    lost.hears("bye your session has ended").await;
    lost.is_closed().await;
    owner.send("just me").await;
    owner.hears("said ada just me").await;
    stranger.hears("said ada just me").await;
}

#[tokio::test]
async fn signing_out_ends_the_clients_other_connections_and_no_others() {
    let server = Server::start().await;
    let mut one = server.client("").await;
    one.hears("hello stranger 0").await;
    let token = one.signs_in("ada").await;
    one.hears("hello ada 0").await;
    let mut other = server.client(&token).await;
    other.hears("hello ada 0").await;
    let mut stranger = server.client("").await;
    stranger.hears("hello stranger 0").await;

    one.send("/out").await;
    one.hears("forget").await;
    one.hears("hello stranger 0").await;
    other.hears("bye your session has ended").await;
    other.is_closed().await;
    server.client(&token).await.hears("hello stranger 0").await;
    stranger.send("who was that?").await;
    stranger.keeps().await;
    stranger.hears("said stranger who was that?").await;
}

#[tokio::test]
async fn a_connection_that_only_listens_learns_that_its_token_was_replaced() {
    let server = Server::start().await;
    let mut one = server.client("").await;
    one.hears("hello stranger 0").await;
    let token = one.signs_in("ada").await;
    one.hears("hello ada 0").await;
    let mut listener = server.client(&token).await;
    listener.hears("hello ada 0").await;

    one.signs_in("ada").await;
    one.hears("hello ada 0").await;
    listener.hears("bye your token has been replaced").await;
    listener.is_closed().await;
}

#[tokio::test]
async fn a_sign_out_in_another_process_closes_a_connection_that_only_listens() {
    let sessions = Sessions::new(MemoryStore::new());
    let server = Server::of(sessions.clone()).await;
    let mut listener = server.client("").await;
    listener.hears("hello stranger 0").await;
    let token = listener.signs_in("ada").await;
    listener.hears("hello ada 0").await;

    // It shares nothing with the first one but the store.
    let elsewhere = Sessions::new(sessions.store().clone());
    let mut other = Server::of(elsewhere).await.client(&token).await;
    other.hears("hello ada 0").await;
    other.send("/out").await;
    listener.hears("bye your session has ended").await;
    listener.is_closed().await;
}

#[tokio::test]
async fn an_unknown_token_is_not_adopted() {
    let server = Server::start().await;
    for made_up in ["x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let mut client = server.client(made_up).await;
        client.hears("hello stranger 0").await;
        assert_ne!(client.says_first("hi").await, made_up);
    }
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_and_the_connection_stays() {
    let server = Server::start().await;
    let mut client = server.client("").await;
    client.hears("hello stranger 0").await;
    for name in ["a\u{7}da", "\u{1b}[2J", &"a".repeat(1025)] {
        client.send(&format!("/name {name}")).await;
        let no = "no: a name has at most 1,024 bytes, and no control characters";
        client.hears(no).await;
    }
    client.signs_in("ada").await;
    client.hears("hello ada 0").await;
    client.send("\u{1b}[2J").await;
    client
        .hears("no: control characters are not passed on")
        .await;
}

#[tokio::test]
async fn a_line_without_end_is_not_collected() {
    let server = Server::start().await;
    let mut client = server.client("").await;
    client.hears("hello stranger 0").await;
    client.send(&"a".repeat(LONGEST_LINE + 1)).await;
    client.hears("bye that line is too long").await;
}

struct Server(SocketAddr);

impl Server {
    async fn start() -> Self {
        Self::of(Sessions::new(MemoryStore::new())).await
    }

    async fn of(sessions: Sessions<MemoryStore>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let chat = Chat::new(sessions);
        tokio::spawn(chat.serve(listener));
        Self(address)
    }

    async fn client(&self, token: &str) -> Client {
        let stream = TcpStream::connect(self.0).await.unwrap();
        let mut client = Client(Framed::new(stream, LinesCodec::new()));
        client.send(token).await;
        client
    }
}

struct Client(Framed<TcpStream, LinesCodec>);

impl Client {
    async fn send(&mut self, line: &str) {
        self.0.send(line).await.unwrap();
    }

    async fn next(&mut self) -> String {
        self.0.next().await.unwrap().unwrap()
    }

    async fn hears(&mut self, line: &str) {
        assert_eq!(self.next().await, line);
    }

    /// Returns the token that the server tells the client to keep, after any other lines.
    async fn keeps(&mut self) -> String {
        loop {
            let line = self.next().await;
            match line.split_once(' ').unwrap() {
                ("keep", token) => return token.to_owned(),
                (word, _) => assert_eq!(word, "said"),
            }
        }
    }

    async fn says_first(&mut self, line: &str) -> String {
        self.send(line).await;
        self.keeps().await
    }

    async fn signs_in(&mut self, name: &str) -> String {
        self.send(&format!("/name {name}")).await;
        self.keeps().await
    }

    async fn is_closed(&mut self) {
        assert!(self.0.next().await.is_none());
    }
}
