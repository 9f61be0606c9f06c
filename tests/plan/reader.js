// What a test reads off the page, and how it moves the answers there.

function moves(many) {
  const state = () => ({
    typed: Object.fromEntries([...document.querySelectorAll("#scales [data-key]")].filter((box) => box.querySelector(".typed"))
      .map((box) => [box.dataset.key, box.querySelector(".typed").value])),
    chosen: Object.fromEntries([...document.querySelectorAll("#scales [data-key]")].filter((box) => box.querySelector(".choice"))
      .map((box) => [box.dataset.key, box.querySelector("label:has(:checked) span").textContent])),
    pattern: document.getElementById("decision").dataset.pattern,
    said: document.querySelector('[data-live="pattern"]').textContent,
    rulings: [...document.querySelectorAll("[data-rule]:not(.gone)")].map((one) => [one.dataset.rule, one.querySelector("span").textContent]),
    parts: [...document.querySelectorAll("#components tr:not(.gone) td:nth-child(2) b")].map((one) => one.textContent),
    painted: Object.fromEntries([...document.querySelectorAll("#scales [type=range]")].map((one) => [one.closest("[data-key]").dataset.key, one.getAttribute("aria-valuetext")])),
  });
  const seen = [state()];
  let seed = 7;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const inputs = [...document.querySelectorAll("#scales [type=range], #scales [type=radio]")];
  for (let i = 0; i < many; i += 1) {
    const input = inputs[Math.floor(random() * inputs.length)];
    if (input.type === "range") {
      input.value = Math.round(10000 * random());
      input.dispatchEvent(new Event("input", { bubbles: true }));
    } else input.click();
    seen.push(state());
    if (i % 12 === 11) document.getElementById("reset").click();
  }
  document.getElementById("reset").click();
  seen.push(state());
  return seen;
}

// The texts of the drawings that leave their boxes, meet each other, or have a line through them.
function overlaps() {
  return [...document.querySelectorAll("svg.drawing, svg.calendar")].filter((svg) => svg.getBoundingClientRect().width).flatMap((svg) => {
    const texts = [...svg.querySelectorAll("text")].map((one) => ({ one, box: one.getBBox() }));
    const frame = svg.viewBox.baseVal;
    const wrong = [];
    for (const { one, box } of texts) {
      if (box.x < 0 || box.y < 0 || box.x + box.width > frame.width || box.y + box.height > frame.height) wrong.push(`outside: ${one.textContent}`);
      const shape = one.parentNode.querySelector(":scope > rect, :scope > ellipse, :scope > path");
      if (one.parentNode.tagName === "g" && shape) {
        const around = one.parentNode.querySelector(":scope > path") ?? shape;
        const own = around.getBBox();
        if (box.x < own.x || box.x + box.width > own.x + own.width || box.y + box.height > own.y + own.height + 1) wrong.push(`leaves its box: ${one.textContent}`);
      }
    }
    for (let i = 0; i < texts.length; i += 1) for (let j = 0; j < i; j += 1) {
      const [a, b] = [texts[i].box, texts[j].box];
      const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
      const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
      if (across > 0.5 && down > 2) wrong.push(`${texts[i].one.textContent} on ${texts[j].one.textContent}`);
    }
    for (const wire of svg.querySelectorAll("path.wire")) {
      for (let at = 0; at < wire.getTotalLength(); at += 3) {
        const { x, y } = wire.getPointAtLength(at);
        for (const { one, box } of texts) {
          if (x > box.x && x < box.x + box.width && y > box.y + 2 && y < box.y + box.height - 2) wrong.push(`a line through ${one.textContent}`);
        }
      }
    }
    return wrong;
  });
}

// The visible texts that stand out from their ground by less than 4.5 to 1.
function contrast() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const over = (colours) => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((one) => one / 255).map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const wrong = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || ["SCRIPT", "TITLE", "DESC"].includes(one.tagName)) continue;
    if (!one.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
    const style = getComputedStyle(one);
    const drawn = one.closest("svg");
    const behind = [];
    for (let up = one; up; up = up.parentElement) behind.unshift(getComputedStyle(up).backgroundColor);
    if (drawn) {
      const box = one.getBBox();
      for (const shape of drawn.querySelectorAll("rect, ellipse, path.store")) {
        const own = shape.getBBox();
        if (own.x <= box.x && own.x + own.width >= box.x + box.width && own.y <= box.y + 2 && own.y + own.height >= box.y + box.height - 2) behind.push(getComputedStyle(shape).fill);
      }
    }
    const gone = one.closest(".filed > *");
    const grey = gone && getComputedStyle(gone).filter === "grayscale(1)";
    const faded = ([r, g, b]) => (grey ? Array(3).fill(0.2126 * r + 0.7152 * g + 0.0722 * b) : [r, g, b]);
    const ink = faded(over([...behind, drawn ? style.fill : style.color]));
    const paper = faded(over(behind));
    const [high, low] = [light(ink), light(paper)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) wrong.add(`${ratio.toFixed(2)} ${one.tagName}.${one.getAttribute("class")}: ${walker.currentNode.textContent.trim().slice(0, 40)}`);
  }
  return [...wrong];
}

// Cards, cells, parts and answers as texts.
function written() {
  const texts = document.querySelectorAll(".patterns li, [data-cell], #components td, [data-said]");
  return [...texts].map((one) => one.textContent.trim().replace(/\s+/g, " "));
}

// Whether each way out of a conflict leads to the pattern that it names.
function led() {
  return [...document.querySelectorAll(".ways li")].every((way) => {
    way.querySelector("button").click();
    return document.getElementById("decision").dataset.pattern === way.querySelector(".chip").textContent;
  });
}

const slider = (key) => document.getElementById(`a-${key}`).querySelector("[type=range]");
