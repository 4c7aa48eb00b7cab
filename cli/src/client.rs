//! A running server's API, as commands ask it.

use patchline_engine::Event;
use url::Url;

use crate::{
    Global,
    data::Data,
    failure::{Failure, Result},
};

/// Which server.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Server {
    /// Its address [default: the one that runs on the data folder]
    #[arg(long, env = "PATCHLINE_SERVER", value_name = "URL")]
    server: Option<Url>,
}

/// What a person says with a change: it is kept.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Said {
    /// Why; kept with the change
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who says so; kept with the change
    #[arg(long, env = "USER", value_name = "NAME")]
    by: String,
}

impl Said {
    /// As the body of a request, beside what is asked for.
    pub(crate) fn body(self, mut asked: serde_json::Value) -> serde_json::Value {
        asked["by"] = self.by.into();
        asked["reason"] = self.reason.into();
        asked
    }
}

/// The API of one server.
pub(crate) struct Api {
    base: Url,
    client: reqwest::Client,
}

impl Api {
    /// Finds the server.
    pub(crate) fn new(global: &Global, server: &Server) -> Result<Self> {
        let base = match &server.server {
            Some(url) => url.clone(),
            None => {
                let file = Data::path(global.data.as_deref()).join("server.address");
                let text = std::fs::read_to_string(&file).map_err(|_| {
                    Failure::says("no-server", "no server runs on this data folder")
                        .hint("start one with `patchline serve`, or name one with --server")
                })?;
                Url::parse(text.trim()).map_err(|e| Failure::new("invalid-url", &e))?
            }
        };
        // reqwest comes without a TLS provider of its own; a second install changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(std::time::Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| Failure::new("http-client", &e))?;
        Ok(Self { base, client })
    }
    async fn request(&self, path: &str, query: &[(&str, String)]) -> Result<reqwest::Response> {
        let url = self.base.join(path).map_err(|e| Failure::new("invalid-url", &e))?;
        self.answer(self.client.get(url).query(query)).await
    }
    /// Names that a person typed become one segment of the path each.
    pub(crate) async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &[&str],
        body: &serde_json::Value,
    ) -> Result<T> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::says("invalid-url", "the server's address takes no path"))?
            .pop_if_empty()
            .extend(path);
        let answer = self.answer(self.client.post(url).json(body)).await?;
        answer.json().await.map_err(|e| Failure::new("server-answer", &e.without_url()))
    }
    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response> {
        let answer = request.send().await.map_err(|error| {
            Failure::new("server-unreachable", &error.without_url()).hint("is `patchline serve` running?")
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        #[derive(serde::Deserialize)]
        struct Body {
            error: Inner,
        }
        #[derive(serde::Deserialize)]
        struct Inner {
            code: String,
            message: String,
            hint: Option<String>,
        }
        let status = answer.status();
        match answer.json::<Body>().await {
            Ok(body) => {
                let failure = Failure::says(body.error.code, body.error.message);
                Err(Failure { hint: body.error.hint, ..failure })
            }
            Err(_) => Err(Failure::says("server-status", format!("the server answers {status}"))),
        }
    }
    /// An answer to a question.
    pub(crate) async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T> {
        let answer = self.request(path, query).await?;
        answer.json().await.map_err(|e| Failure::new("server-answer", &e.without_url()))
    }

    /// Hands each event of a run over until the server ends the stream: the run has ended.
    pub(crate) async fn watch(&self, run: &str, tell: impl Fn(&Event)) -> Result<()> {
        let mut answer = self.request(&format!("api/v1/runs/{run}/events"), &[]).await?;
        let mut text = String::new();
        while let Some(bytes) =
            answer.chunk().await.map_err(|e| Failure::new("server-answer", &e.without_url()))?
        {
            text.push_str(&String::from_utf8_lossy(&bytes));
            while let Some(end) = text.find('\n') {
                let line: String = text.drain(..=end).collect();
                let Some(json) = line.trim_end().strip_prefix("data:") else { continue };
                let Ok(event) = serde_json::from_str::<Event>(json.trim_start()) else { continue };
                tell(&event);
            }
        }
        Ok(())
    }
}
