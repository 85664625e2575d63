const search = document.getElementById("search");
const category = document.getElementById("category");
const count = document.getElementById("count");
const rows = [...document.querySelectorAll("tbody tr")];
const texts = rows.map((row) => row.textContent.toLowerCase());

function show() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  rows.forEach((row, place) => {
    const fits = (!category.value || row.dataset.category === category.value)
      && words.every((word) => texts[place].includes(word));
    row.hidden = !fits;
    shown += fits;
  });
  count.value = `${shown} / ${rows.length}`;
}

search.addEventListener("input", show);
category.addEventListener("change", show);
show();
