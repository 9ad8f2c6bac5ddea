// What a notebook keeps of the panel: its code and its style, packed, which take 28 kB otherwise.
async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

const style = document.getElementById("stacknb-style") ?? document.createElement("style");
style.id = "stacknb-style";
style.textContent = await unpack("STYLE");
document.head.append(style);
const url = URL.createObjectURL(new Blob([await unpack("CODE")], { type: "text/javascript" }));
const panel = await import(url);
URL.revokeObjectURL(url);
export default panel.default;
