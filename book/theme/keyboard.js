// What mdBook leaves to be done for the keyboard; without scripts the pages read the same.

// Formulas, listings and tables that are wider than the page scroll, also by arrow keys.
const scrolling = ".katex-display, pre > code, .table-wrapper, figure.wide > p";

function reach() {
    for (const box of document.querySelectorAll(scrolling)) {
        if (box.scrollWidth > box.clientWidth) {
            box.tabIndex = 0;
        } else {
            box.removeAttribute("tabindex");
        }
    }
}

// The switch of the sidebar is a label in mdBook: here it is also a button.
const toggle = document.getElementById("mdbook-sidebar-toggle");
toggle.setAttribute("role", "button");
toggle.tabIndex = 0;
toggle.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        toggle.click();
    }
});

addEventListener("load", reach);
addEventListener("resize", reach);
document.addEventListener("toggle", reach, true);
