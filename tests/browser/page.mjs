// What is wrong with one page, seen from inside the browser. Each function runs in the page.

// Nothing folded, nothing waiting to be scrolled to.
export async function settle() {
    document.querySelectorAll("details").forEach((box) => (box.open = true));
    const images = [...document.images];
    images.forEach((image) => (image.loading = "eager"));
    await Promise.all(images.map((image) => image.decode().catch(() => {})));
    await document.fonts.ready;
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
}

export function complaints() {
    const wrong = [];
    const main = document.querySelector("main");
    if (!main?.querySelector("h1")) wrong.push("there is no title");
    const visible = (node) => node.checkVisibility() && node.getBoundingClientRect().width > 0;
    const brief = (node) => {
        const text = node.textContent.trim().replace(/\s+/g, " ").slice(0, 40);
        return `<${node.tagName.toLowerCase()} class="${node.className}"> ${text}`;
    };

    for (const image of document.images) {
        if (!image.naturalWidth) wrong.push(`the picture ${image.getAttribute("src")} is not there`);
        else if (!image.alt.trim()) wrong.push(`the picture ${image.getAttribute("src")} has no alt`);
    }

    const formulas = document.querySelectorAll("main .katex");
    for (const formula of formulas) {
        const box = formula.getBoundingClientRect();
        if (visible(formula) && box.height < 4) wrong.push(`an empty formula: ${brief(formula)}`);
    }
    for (const bad of document.querySelectorAll(".katex-error")) {
        wrong.push(`KaTeX refuses ${brief(bad)}`);
    }
    const fonts = [...document.fonts].filter((font) => font.family.includes("KaTeX_Main"));
    if (formulas.length && !fonts.some((font) => font.status === "loaded")) {
        wrong.push("the font of the formulas is not loaded");
    }

    const prose = main?.cloneNode(true);
    prose?.querySelectorAll("pre, code, .katex").forEach((node) => node.remove());
    const leftover = prose?.textContent.match(/\$\$|\\[a-zA-Z]{2,}|\{\{#/);
    if (leftover) wrong.push(`raw source in the text: ${leftover[0]}`);
    for (const code of document.querySelectorAll("pre code")) {
        if (!code.textContent.trim()) wrong.push("an empty listing");
    }

    const width = document.documentElement.clientWidth;
    for (let at = main?.parentElement; at; at = at.parentElement) {
        if (at.scrollWidth > at.clientWidth + 1) {
            wrong.push(`<${at.tagName.toLowerCase()}> is ${at.scrollWidth} px wide, not ${at.clientWidth}`);
        }
    }
    const scrolls = (node) => {
        for (let at = node; at && at !== main; at = at.parentElement) {
            if (["auto", "scroll"].includes(getComputedStyle(at).overflowX)) return true;
        }
        return false;
    };
    const inner = "main :is(p, li, figcaption, img, table, pre, h1, h2, h3, .katex, button, input, svg, canvas)";
    for (const node of document.querySelectorAll(inner)) {
        const box = node.getBoundingClientRect();
        if (visible(node) && (box.right > width + 1 || box.left < -1) && !scrolls(node)) {
            wrong.push(`cut off at the edge of the window: ${brief(node)}`);
        }
    }
    return wrong;
}

// Every control of a widget must change what the widget shows.
export async function widgets() {
    const wrong = [];
    const drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 150)));
    for (const widget of document.querySelectorAll(".fn-widget")) {
        const name = widget.dataset.widget ?? "a widget";
        const state = () => {
            const pictures = [...widget.querySelectorAll("canvas")].map((c) => c.toDataURL());
            return widget.innerHTML + pictures.join("");
        };
        const controls = [...widget.querySelectorAll("input, select")];
        if (!controls.length && !widget.querySelector("button")) wrong.push(`${name} has no control`);
        for (const control of controls) {
            await drawn();
            const before = state();
            if (control.tagName === "SELECT") {
                control.selectedIndex = (control.selectedIndex + 1) % control.options.length;
            } else if (control.type === "checkbox" || control.type === "radio") {
                control.checked = !control.checked;
            } else {
                const middle = (Number(control.min || 0) + Number(control.max || 100)) / 2;
                control.value = Number(control.value) === middle ? control.max : middle;
            }
            control.dispatchEvent(new Event("input", { bubbles: true }));
            control.dispatchEvent(new Event("change", { bubbles: true }));
            await drawn();
            const label = control.getAttribute("aria-label") ?? control.name ?? control.type;
            if (state() === before) wrong.push(`${name}: nothing changes by "${label}"`);
        }
    }
    return wrong;
}

// With scripts off each widget still shows a figure.
export function withoutScripts() {
    const wrong = [];
    const shown = document.querySelector("main")?.innerText.trim().length ?? 0;
    if (shown < 200) wrong.push(`with scripts off only ${shown} letters are shown`);
    for (const widget of document.querySelectorAll(".fn-widget")) {
        const figure = widget.querySelector("img");
        if (!figure?.checkVisibility()) {
            wrong.push(`with scripts off ${widget.dataset.widget} shows no figure`);
        }
    }
    return wrong;
}

export function links() {
    const all = [...document.querySelectorAll("a[href]")].map((link) => link.href);
    return [...new Set(all)].filter((link) => link.startsWith(location.origin));
}
