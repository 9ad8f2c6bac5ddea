// What a notebook keeps of the panel: its code and its style, packed, which take 28 kB otherwise.
async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

// The style comes last: it hides the summary, which is all that is left where the code cannot run.
let panel;
try {
  const url = URL.createObjectURL(new Blob([await unpack("CODE")], { type: "text/javascript" }));
  panel = (await import(url)).default;
  URL.revokeObjectURL(url);
  const style = document.getElementById("stacknb-style") ?? document.createElement("style");
  style.id = "stacknb-style";
  style.textContent = await unpack("STYLE");
  document.head.append(style);
} catch (error) {
  const why = globalThis.DecompressionStream ? error.message : "this browser is too old, update it";
  const text = `the live panel cannot be shown: ${why}; its summary below is kept up to date`;
  panel = { render({ el }) { el.className += " stacknb-panel"; el.textContent = text; } };
}
export default panel;
