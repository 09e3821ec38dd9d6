//! The application with Cloakroom, in a process of its own: `adopting-shop PORT NEW OLD`.

use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let [port, new, old] = &words[..] else {
        panic!("a port, the URL of the new store and that of the old one");
    };
    let store = moving::adopting(new, old).await.expect("both stores");
    let address = format!("127.0.0.1:{port}");
    let listener = TcpListener::bind(address).await.expect("a port");
    let app = moving::our_shop(store);
    axum::serve(listener, app).await.expect("served");
}
