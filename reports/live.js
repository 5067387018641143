
// Only in pages that `npubench report --serve` hands out: asks the server for the number of its newest row.

function watch() {
  const revision = document.body.dataset.live;
  const fresh = document.getElementById("fresh");
  fresh.addEventListener("click", () => location.reload());
  const first = new Set(document.querySelectorAll("details[open]")); // open without a reader
  const isBusy = () => [...document.querySelectorAll("details[open]")].some((one) => !first.has(one))
    || document.querySelector("input:focus")
    || [...document.querySelectorAll("input")].some((input) => input.value);
  setInterval(async () => {
    const answer = await fetch("revision").catch(() => null);
    if (!answer?.ok || (await answer.text()).trim() === revision) return;
    if (isBusy()) fresh.hidden = false; // a reader's place and filter are not taken away
    else location.reload();
  }, 2000);
}

watch();
