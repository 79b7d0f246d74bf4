// Asks for a few objects as any page would, and shows what the CDN said of each.
const paths = ["/index.html", "/assets/site.css", "/assets/path.png", "/data/prices.json"];
const rows = document.querySelector("#answers tbody");

async function ask(path) {
  const response = await fetch(path, { method: "HEAD", cache: "no-store" });
  const header = (name) => response.headers.get(name) ?? "–";
  return [path, response.status, header("x-cache"), header("age"), header("x-amz-cf-pop")];
}

function row(cells) {
  const tr = document.createElement("tr");
  for (const cell of cells) {
    tr.insertCell().textContent = cell;
  }
  return tr;
}

async function show() {
  const answers = await Promise.all(paths.map(ask));
  rows.replaceChildren(...answers.map(row));
}

document.querySelector("#again").addEventListener("click", show);
show();
