//! A headless Chromium, driven over a pipe by the DevTools protocol.

use crate::manifests::root;
use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

/// How long the browser has for an answer.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a page has to become what is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chromium reads commands from descriptor 3 and writes answers to descriptor 4.
const START: &str = "exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
    --disable-extensions --disable-background-networking --window-size=1400,1000 --remote-debugging-pipe \"--user-data-dir=$1\" \
    about:blank 3<&0 4>&1 </dev/null >/dev/null 2>\"$1/log\"";

/// A browser with a profile of its own. It ends when it is dropped.
pub struct Browser {
    _child: Child,
    pipe: Arc<Pipe>,
    _profile: TempDir,
}

struct Pipe {
    input: tokio::sync::Mutex<ChildStdin>,
    answers: Mutex<BTreeMap<u64, oneshot::Sender<Value>>>,
    next: AtomicU64,
}

impl Pipe {
    async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        let (send, receive) = oneshot::channel();
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(id, send);
        let mut text = message.to_string().into_bytes();
        text.push(0);
        let mut input = self.input.lock().await;
        input.write_all(&text).await.context("the browser has ended")?;
        input.flush().await?;
        drop(input);
        let mut answer =
            timeout(ANSWER, receive).await.with_context(|| format!("no answer to {method}"))??;
        if let Some(message) = answer["error"]["message"].as_str() {
            bail!("{method}: {message}");
        }
        Ok(answer["result"].take())
    }

    /// Hands out the answers. What the browser says unasked is dropped.
    async fn read(self: Arc<Self>, output: ChildStdout) {
        let mut output = BufReader::new(output);
        let mut text = Vec::new();
        while output.read_until(0, &mut text).await.is_ok_and(|length| length > 0) {
            text.pop_if(|last| *last == 0);
            if let Ok(message) = serde_json::from_slice::<Value>(&text)
                && let Some(id) = message["id"].as_u64()
            {
                let waiting = self.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                // Its caller may have given up.
                waiting.map(|waiting| waiting.send(message));
            }
            text.clear();
        }
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Browser {
    /// Starts a browser.
    pub async fn start() -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let mut child = Command::new("sh")
            .args(["-c", START, "sh"])
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a shell")?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = input.zip(output).context("the browser has no pipe")?;
        let pipe = Arc::new(Pipe {
            input: tokio::sync::Mutex::new(input),
            answers: Mutex::default(),
            next: AtomicU64::new(1),
        });
        tokio::spawn(Arc::clone(&pipe).read(output));
        let browser = Self { _child: child, pipe, _profile: profile };
        let version = browser.pipe.call(None, "Browser.getVersion", json!({})).await;
        version.context("cannot start chromium: install Debian's package chromium")?;
        Ok(browser)
    }

    /// A new tab at this address.
    pub async fn tab(&self, address: &str) -> Result<Tab> {
        let target = self.pipe.call(None, "Target.createTarget", json!({ "url": "about:blank" })).await?;
        self.attached(target["targetId"].as_str().context("no target")?, Some(address)).await
    }

    async fn attached(&self, target: &str, address: Option<&str>) -> Result<Tab> {
        let params = json!({ "targetId": target, "flatten": true });
        let session = self.pipe.call(None, "Target.attachToTarget", params).await?;
        let session = session["sessionId"].as_str().context("no session")?.to_owned();
        let tab = Tab { pipe: Arc::clone(&self.pipe), session, target: target.to_owned() };
        tab.call("Page.enable", json!({})).await?;
        if let Some(address) = address {
            tab.go(address).await?;
        }
        Ok(tab)
    }

    /// Everything that is open.
    pub async fn targets(&self) -> Result<Value> {
        self.pipe.call(None, "Target.getTargets", json!({})).await
    }

    /// The tabs that were opened by other tabs.
    pub async fn opened(&self, known: &[&Tab]) -> Result<Vec<Tab>> {
        let all = self.targets().await?;
        let pages = all["targetInfos"].as_array().into_iter().flatten();
        let pages = pages.filter(|it| it["type"] == "page" && it["url"] != "about:blank");
        let mut tabs = Vec::new();
        for target in pages.filter_map(|it| it["targetId"].as_str()) {
            if known.iter().all(|tab| tab.target != target) {
                tabs.push(self.attached(target, None).await?);
            }
        }
        Ok(tabs)
    }
}

/// A tab of a browser.
pub struct Tab {
    pipe: Arc<Pipe>,
    session: String,
    target: String,
}

impl Tab {
    /// Calls a method of the DevTools protocol.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.pipe.call(Some(&self.session), method, params).await
    }

    /// Goes to an address.
    pub async fn go(&self, address: &str) -> Result<()> {
        let answer = self.call("Page.navigate", json!({ "url": address })).await?;
        match answer["errorText"].as_str() {
            Some(error) => bail!("{address}: {error}"),
            None => Ok(()),
        }
    }

    /// The value of an expression. A promise is waited for.
    pub async fn value(&self, expression: &str) -> Result<Value> {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let mut answer = self.call("Runtime.evaluate", params).await?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            let text = thrown["exception"]["description"].as_str().or(thrown["text"].as_str());
            return Err(anyhow!("{expression}: {}", text.unwrap_or("an exception")));
        }
        Ok(answer["result"]["value"].take())
    }

    /// The text that a person sees.
    pub async fn text(&self) -> Result<String> {
        let text = self.value("document.body ? document.body.innerText : ''").await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until an expression is true.
    pub async fn until(&self, expression: &str) -> Result<()> {
        let begun = Instant::now();
        loop {
            // While a page is loaded, there is nothing to ask.
            let value = self.value(expression).await;
            if matches!(value, Ok(Value::Bool(true))) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("{expression} is {value:?} and not true on\n{}", self.text().await.unwrap_or_default());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the page has this text.
    pub async fn says(&self, text: &str) -> Result<()> {
        self.until(&format!("document.body.innerText.includes({})", json!(text))).await
    }

    /// Clicks the first element of a selector that has this text. An empty text is that of every element.
    pub async fn click(&self, selector: &str, text: &str) -> Result<()> {
        let found = format!(
            "[...document.querySelectorAll({})].find((it) => it.textContent.includes({}))",
            json!(selector),
            json!(text)
        );
        self.until(&format!("Boolean({found})")).await?;
        self.value(&format!("{found}.click()")).await.map(drop)
    }

    /// Clicks an element with the mouse while the key Control is held.
    pub async fn click_with_control(&self, selector: &str) -> Result<()> {
        let place = format!(
            "(() => {{ const it = document.querySelector({}).getBoundingClientRect(); \
             return [it.x + it.width / 2, it.y + it.height / 2]; }})()",
            json!(selector)
        );
        let place = self.value(&place).await?;
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let event = json!({
                "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1, "modifiers": 2,
            });
            self.call("Input.dispatchMouseEvent", event).await?;
        }
        Ok(())
    }

    /// Sets the value of a field, as typing does.
    pub async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        self.until(&format!("Boolean(document.querySelector({}))", json!(selector))).await?;
        let script = format!(
            "(() => {{ const field = document.querySelector({}); field.focus(); field.value = {}; \
             for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind, {{ bubbles: true }})); }})()",
            json!(selector),
            json!(text)
        );
        self.value(&script).await.map(drop)
    }

    /// Presses a key: `Tab`, `Enter`, `Escape`, ` ` or a character.
    pub async fn press(&self, key: &str) -> Result<()> {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            " " => (32, " "),
            other => (0, other),
        };
        let event =
            |kind: &str| json!({ "type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code });
        let mut down = event(if text.is_empty() { "rawKeyDown" } else { "keyDown" });
        if text.is_empty() {
            down["text"] = Value::Null;
            down.as_object_mut().map(|down| down.remove("text"));
        }
        self.call("Input.dispatchKeyEvent", down).await?;
        let mut up = event("keyUp");
        up.as_object_mut().map(|up| up.remove("text"));
        self.call("Input.dispatchKeyEvent", up).await.map(drop)
    }

    /// Types a text into what has the focus.
    pub async fn write(&self, text: &str) -> Result<()> {
        self.call("Input.insertText", json!({ "text": text })).await.map(drop)
    }

    /// Moves the focus with the key Tab until an expression about `document.activeElement` is true.
    pub async fn focus(&self, expression: &str) -> Result<()> {
        for _ in 0..200 {
            if self.value(&format!("Boolean(((it) => {expression})(document.activeElement))")).await?
                == json!(true)
            {
                return Ok(());
            }
            self.press("Tab").await?;
        }
        bail!("the key Tab never reaches {expression} on\n{}", self.text().await?)
    }

    /// Makes it the tab that is seen: others are hidden.
    pub async fn show(&self) -> Result<()> {
        self.call("Page.bringToFront", json!({})).await.map(drop)
    }

    /// Shows the page in `light` or `dark`.
    pub async fn colours(&self, scheme: &str) -> Result<()> {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features })).await.map(drop)
    }

    /// Writes a picture of the whole page.
    pub async fn picture(&self, path: &Path) -> Result<()> {
        let params = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.call("Page.captureScreenshot", params).await?;
        let data = answer["data"].as_str().context("no picture")?;
        std::fs::write(path, STANDARD.decode(data)?).with_context(|| path.display().to_string())
    }

    /// What axe-core finds wrong with the page for people who use it with other senses and devices.
    pub async fn accessible(&self) -> Result<()> {
        self.value(&axe().await?).await?;
        let found = self
            .value("axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then((it) => \
                    it.violations.map((rule) => rule.id + ': ' + rule.nodes.map((node) => node.html).slice(0, 3).join(' | ')))")
            .await?;
        let found: Vec<String> = serde_json::from_value(found)?;
        ensure!(found.is_empty(), "axe finds:\n{}", found.join("\n"));
        Ok(())
    }
}

/// The script of axe-core. It is fetched where it is missing, by one story for all.
async fn axe() -> Result<String> {
    static FETCHING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let path = root("target/axe/package/axe.min.js");
    let held = FETCHING.lock().await;
    if !path.exists() {
        let fetched = Command::new(root(".ci/axe")).status().await.context(".ci/axe")?;
        ensure!(fetched.success(), ".ci/axe cannot fetch axe-core: it needs npm and its registry");
    }
    drop(held);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}
