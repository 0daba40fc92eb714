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

// Every control of a widget must change what the widget draws.
export async function widgets() {
    const wrong = [];
    const wait = () => new Promise((done) => setTimeout(done, 120));
    const drawn = (widget) => [...widget.querySelectorAll("canvas, svg, img")]
        .map((picture) => picture.toDataURL?.() ?? picture.outerHTML).join("");
    const settled = async (widget) => {
        for (let tries = 0, last = ""; tries < 100; tries += 1) {
            const now = drawn(widget);
            if (now === last) return now;
            last = now;
            await wait();
        }
        return null;
    };
    const told = (control) => {
        for (const kind of ["input", "change"]) {
            control.dispatchEvent(new Event(kind, { bubbles: true }));
        }
    };
    // What one can do with a control: each is a function that does it.
    const uses = (control) => {
        if (control.tagName === "BUTTON") return [() => control.click()];
        if (control.tagName === "SELECT") {
            const others = [...control.options].filter((option) => !option.selected);
            return others.map((option) => () => ((control.value = option.value), told(control)));
        }
        const [low, high] = [Number(control.min || 0), Number(control.max || 100)];
        const far = Number(control.value) < (low + high) / 2 ? high : low;
        return [() => ((control.value = far), told(control))];
    };
    for (const widget of document.querySelectorAll("[data-widget]")) {
        const name = `the widget ${widget.dataset.widget}`;
        const tried = new Set();
        const next = (kind) => [...widget.querySelectorAll(kind)]
            .find((control) => control.checkVisibility() && !tried.has(control));
        const heeds = async (control) => {
            tried.add(control);
            const label = control.labels?.[0]?.textContent || control.textContent;
            if (control.tabIndex < 0) wrong.push(`${name}: the keyboard does not reach "${label}"`);
            for (const use of uses(control)) {
                const before = await settled(widget);
                if (before === null) wrong.push(`${name} does not come to rest`);
                use();
                await wait();
                if ((await settled(widget)) === before) wrong.push(`${name} does not heed "${label}"`);
                await all("input, button"); // a choice may bring controls with it
            }
        };
        const all = async (kind) => {
            for (let control = next(kind); control; control = next(kind)) await heeds(control);
        };
        await all("input, button");
        await all("select");
        if (!tried.size) wrong.push(`${name} has no control`);
    }
    return wrong;
}

// With scripts off each widget still shows a figure.
export function withoutScripts() {
    const wrong = [];
    const shown = document.querySelector("main")?.innerText.trim().length ?? 0;
    if (shown < 200) wrong.push(`with scripts off only ${shown} letters are shown`);
    for (const widget of document.querySelectorAll("[data-widget]")) {
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
