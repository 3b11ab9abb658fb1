/** The ids as a file of one id a line. */
export function downloadIds(ids) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(ids.map((id) => `${id}\n`), { type: "text/plain" }));
  link.download = "sampled_ids.txt";
  link.click();
  URL.revokeObjectURL(link.href);
}

/** @returns {Promise<boolean>} whether the clipboard took them */
export async function copyIds(ids) {
  try {
    await navigator.clipboard.writeText(ids.join("\n"));
    return true;
  } catch {
    return false;
  }
}
