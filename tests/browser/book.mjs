// Reads the built book in Chromium: node book.mjs BOOK SCREENSHOTS CHROMIUM
//
// Each page at the width of a desk and of a phone, in the light and in the dark. Any complaint makes
// the exit code 1; the screenshots are there to be looked at.

import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";
import * as inside from "./page.mjs";
import { serve } from "./server.mjs";

const SIZES = {
    desktop: { viewport: { width: 1280, height: 900 } },
    phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
};
const SCHEMES = ["light", "dark"];
// mdBook's own: the sidebar for browsers without scripts, and all pages in one for the printer.
const NOT_READ = ["toc.html", "print.html"];
const SEARCHED = "ELBO";
// A page is photographed in parts: taller pictures are unreadable, and Chromium has a limit.
const PART = 3200;
const QUALITY = 80;

// `cargo xtask test --only browser | head -1`: nobody reads on, so this ends without a complaint.
process.stdout.on("error", ({ code }) => process.exit(code === "EPIPE" ? 141 : 1));

const [book, screenshots, executablePath] = process.argv.slice(2);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const wrong = [];
let checks = 0;

function complain(where, found) {
    checks += 1;
    for (const what of found) {
        wrong.push(`${where}: ${what}`);
        console.log(`  ${where}: ${what}`);
    }
}

async function photograph(page, name) {
    const { width, height: window } = page.viewportSize();
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewportSize({ width, height: Math.min(PART, height) });
    for (let top = 0, part = 1; top < height; top += PART, part += 1) {
        await page.evaluate((y) => scrollTo({ top: y, behavior: "instant" }), top);
        const path = join(screenshots, `${name}-${part}.jpg`);
        await page.screenshot({ path, quality: QUALITY, scale: "css" });
    }
    await page.setViewportSize({ width, height: window });
}

async function accessibility(page) {
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => axe.run({ resultTypes: ["violations"] }));
    const grave = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    return grave.flatMap(({ id, nodes }) => {
        const first = nodes[0].target.join(" ");
        return `axe ${id}, ${nodes.length} times, first at ${first}: ${nodes[0].failureSummary.replace(/\s+/g, " ")}`;
    });
}

async function read(browser, url, file, size, scheme) {
    const context = await browser.newContext({ ...SIZES[size], colorScheme: scheme });
    const page = await context.newPage();
    const said = listen(page, url);
    await page.goto(`${url}/${file}`, { waitUntil: "load" });
    await page.evaluate(inside.settle);
    const where = `${file}, ${size}, ${scheme}`;
    complain(where, await page.evaluate(inside.complaints));
    complain(where, await accessibility(page));
    await photograph(page, `${file.replace(".html", "").replaceAll("/", "-")}-${size}-${scheme}`);
    complain(where, await page.evaluate(inside.widgets));
    complain(where, said);
    const links = await page.evaluate(inside.links);
    await context.close();
    return links;
}

// What the browser says while it reads; a request that leaves the machine is stopped and told.
function listen(page, url) {
    const said = [];
    page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) said.push(`the console says: ${message.text()}`);
    });
    page.on("pageerror", (error) => said.push(`a script fails: ${error.message}`));
    page.on("response", (response) => {
        if (response.status() >= 400) said.push(`${response.status()} for ${response.url()}`);
    });
    page.route("**", (route) => {
        const target = route.request().url();
        if (target.startsWith(url) || target.startsWith("data:")) return route.continue();
        said.push(`asks the network for ${target}`);
        return route.abort();
    });
    return said;
}

async function search(browser, url) {
    const page = await browser.newPage();
    const said = listen(page, url);
    await page.goto(`${url}/index.html`);
    await page.keyboard.press("/");
    await page.keyboard.type(SEARCHED);
    const first = page.locator("#mdbook-searchresults a, #searchresults a").first();
    const found = await first.waitFor({ timeout: 10_000 }).then(() => true, () => false);
    complain("search", found ? said : [`nothing is found for ${SEARCHED}`, ...said]);
    await page.close();
}

async function keyboard(browser, url) {
    const page = await browser.newPage();
    await page.goto(`${url}/index.html`);
    await page.keyboard.press("ArrowRight");
    const turned = await page.waitForURL((at) => !at.pathname.endsWith("index.html"), { timeout: 10_000 })
        .then(() => true, () => false);
    complain("keyboard", turned ? [] : ["the right arrow does not turn the page"]);
    await page.close();
}

async function withoutScripts(browser, url, file) {
    const context = await browser.newContext({ ...SIZES.desktop, javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(`${url}/${file}`);
    complain(`${file}, scripts off`, await page.evaluate(inside.withoutScripts));
    await context.close();
}

// Each place that a link leads to: fetched once, its ids read once.
async function resolve(browser, url, links) {
    const page = await browser.newPage({ javaScriptEnabled: false });
    const ids = new Map();
    for (const [link, from] of links) {
        const { pathname, hash } = new URL(link);
        if (!ids.has(pathname)) {
            const response = await page.request.get(url + pathname);
            const html = response.ok() && (response.headers()["content-type"] ?? "").includes("html");
            const text = html ? await response.text() : "";
            const found = new Set([...text.matchAll(/\bid="([^"]*)"/g)].map((match) => match[1]));
            ids.set(pathname, response.ok() ? found : null);
        }
        const there = ids.get(pathname);
        if (!there) complain(from, [`a link leads nowhere: ${pathname}`]);
        else if (hash && !there.has(decodeURIComponent(hash.slice(1)))) {
            complain(from, [`a link leads to no place in a page: ${pathname}${hash}`]);
        } else checks += 1;
    }
    await page.close();
}

await rm(screenshots, { recursive: true, force: true });
await mkdir(screenshots, { recursive: true });
const files = await readdir(book, { recursive: true });
const pages = files.filter((file) => file.endsWith(".html") && !NOT_READ.includes(file)).sort();
const server = await serve(book);
const browser = await chromium.launch({
    executablePath,
    args: ["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"],
});
try {
    const links = new Map();
    for (const file of pages) {
        const started = Date.now();
        for (const size of Object.keys(SIZES)) {
            const views = SCHEMES.map((scheme) => read(browser, server.url, file, size, scheme));
            for (const link of (await Promise.all(views)).flat()) {
                if (!links.has(link)) links.set(link, file);
            }
        }
        await withoutScripts(browser, server.url, file);
        console.log(`${file}: read in ${((Date.now() - started) / 1000).toFixed(1)} s`);
    }
    await resolve(browser, server.url, links);
    await search(browser, server.url);
    await keyboard(browser, server.url);
} finally {
    await browser.close();
    server.close();
}
console.log(`${pages.length} pages, ${checks} checks, ${wrong.length} complaints; screenshots in ${screenshots}`);
process.exit(wrong.length ? 1 : 0);
