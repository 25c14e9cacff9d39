/** A photo as small as it may be to be read: what a phone takes is many times what a record needs, and names the place besides. */

const LONGEST = 2000;
const SMALL = 400_000;
const QUALITY = 0.82;

/** The same picture, smaller; anything else, and what gains nothing, as it is. @param {Blob} file */
export async function shrunk(file) {
  if (!/^image\/(jpeg|png|webp|heic|heif)$/.test(file.type) || file.size < SMALL) return file;
  try {
    const picture = await createImageBitmap(file);
    const share = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
    const canvas = new OffscreenCanvas(Math.round(picture.width * share), Math.round(picture.height * share));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    const small = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
    return small.size < file.size ? small : file;
  } catch {
    return file; // a picture that this browser cannot read is sent as it is
  }
}
