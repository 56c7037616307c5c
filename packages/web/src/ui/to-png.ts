/** Longer sides are made this long: as large as a picture is ever shown. */
const SIDE_MAX = 1_024;

/** A picture of any kind that the browser can show, as a PNG. Rejects where it can show none. */
export async function toPng(file: Blob): Promise<Blob> {
  const { picture, width, height, close } = await bitmapOf(file).catch(() => imageOf(file));
  try {
    const scale = Math.min(1, SIDE_MAX / Math.max(width, height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    const context = canvas.getContext("2d");
    if (!context) throw new Error("no canvas");
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) =>
      canvas.toBlob((png) => (png ? resolve(png) : reject(new Error("no PNG"))), "image/png"),
    );
  } finally {
    close();
  }
}

interface Drawable {
  picture: CanvasImageSource;
  width: number;
  height: number;
  close(): void;
}

async function bitmapOf(file: Blob): Promise<Drawable> {
  const picture = await createImageBitmap(file);
  return { picture, width: picture.width, height: picture.height, close: () => picture.close() };
}

/** For drawings in SVG, which no bitmap is made of straight away, and which need not say how large they are. */
async function imageOf(file: Blob): Promise<Drawable> {
  const picture = new Image();
  const url = URL.createObjectURL(file);
  const close = () => URL.revokeObjectURL(url);
  try {
    picture.src = url;
    await picture.decode();
    const { naturalWidth, naturalHeight } = picture;
    return { picture, width: naturalWidth || SIDE_MAX, height: naturalHeight || SIDE_MAX, close };
  } catch (error) {
    close();
    throw error;
  }
}
