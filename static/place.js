/** Where this phone is, for who allows it: asked for when a dialog opens, so that nobody waits for it. */

const PATIENCE = 8000;
const FRESH = 60_000;

/**
 * The place as the server takes it, with how sure the phone is of it; null where it is not allowed, not known, or takes too long.
 * @returns {Promise<{point: object, accuracy: number, at: string} | null>}
 */
export function findPlace() {
  if (!navigator.geolocation) return Promise.resolve(null);
  const found = new Promise((done) => {
    const take = ({ coords, timestamp }) => done({
      point: { __type: "GeoPoint", latitude: coords.latitude, longitude: coords.longitude },
      accuracy: Math.round(coords.accuracy), at: new Date(timestamp).toISOString(),
    });
    navigator.geolocation.getCurrentPosition(take, () => done(null), { enableHighAccuracy: true, maximumAge: FRESH, timeout: PATIENCE });
  });
  return Promise.race([found, new Promise((done) => setTimeout(done, PATIENCE, null))]);
}
