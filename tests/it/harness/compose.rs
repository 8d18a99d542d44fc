//! The compose files that scenes begin with.
//!
//! It refuses to know what becomes of them.

/// Where beacon comes from, for the server.
pub const BEACON: &str = "registry.lab:5000/beacon";

/// One service `web` of an image: port 8000, a configuration directory, a data directory, a check.
pub fn web(image: &str) -> String {
    format!("services:\n{}", service("web", image, 8000))
}

/// Two services of their own images, on ports 8000 and 8001.
pub fn pair(web: &str, worker: &str) -> String {
    let (web, worker) = (service("web", web, 8000), service("worker", worker, 8001));
    format!("services:\n{web}{worker}")
}

/// A migration that runs once, before `web` may start.
pub fn migrating(image: &str) -> String {
    format!(
        "services:\n\
         \x20 migrate:\n    image: {image}\n    command: [migrate]\n\
         {}    depends_on:\n      migrate:\n        condition: service_completed_successfully\n",
        service("web", image, 8000)
    )
}

/// One service as a block below `services:`.
pub fn service(name: &str, image: &str, port: u16) -> String {
    format!(
        "  {name}:
    image: {image}
    ports:
      - \"{port}:8000\"
    volumes:
      - ./config:/etc/beacon:ro
      - ./data:/data
    healthcheck:
      test: [\"CMD\", \"/beacon\", \"check\"]
      interval: 1s
      timeout: 2s
      retries: 2
    restart: unless-stopped
"
    )
}

/// An image of beacon.
pub fn beacon(tag: &str) -> String {
    format!("{BEACON}:{tag}")
}
