// How things are said.

const STAGES = {
  preprocess: "Reading the mesh",
  encode: "Finding its latents",
  denoise_l3: "Main structure",
  denoise_l2: "Major details",
  denoise_l1: "Minor details",
  decode: "Finding the surface",
  mesh: "Joining the mesh",
  export: "Writing the file",
};

/** What a job does now, in a few words. */
export function stageWords(job) {
  if (job.cancel_requested) return "Stopping";
  if (job.state === "queued") {
    if (job.queue_position === null || job.queue_position === 0) return "Next in the queue";
    return job.queue_position === 1 ? "1 job ahead" : `${job.queue_position} jobs ahead`;
  }
  return STAGES[job.stage] ?? "Starting";
}

/** The time a job still needs, so long after it was told; nothing where nobody knows. */
export function timeLeft({ eta_s: told, state }, since_s = 0) {
  if (told === null || told === undefined) return "";
  const seconds = told - since_s;
  if (seconds < 1) return state === "queued" ? "soon" : "a moment left";
  return seconds < 90 ? `about ${Math.round(seconds)} s left` : `about ${Math.round(seconds / 60)} min left`;
}

const numbers = new Intl.NumberFormat("en");

export const count = (value) => numbers.format(value);

export const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

export function duration(milliseconds) {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

export const capitalized = (word) => word.charAt(0).toUpperCase() + word.slice(1);

/** What a shape is, by its record or its node in a tree. */
export function shapeName({ category, operation, parents = [] }) {
  if (operation === "encode") return "Upload";
  if (category) return capitalized(category);
  return parents.length ? "Variant" : "Shape";
}

const OF_ROUTES = /\b(GET|POST|PUT|DELETE|HEAD) \/|\bcurl\b|\bAccept\b|\bLAGEM_|\bexpires_at\b|\bany_weights\b/;

/** A suggestion without what only those can follow who call the service's routes. */
export function forPeople(suggestion) {
  const plain = (sentence) => {
    if (!OF_ROUTES.test(sentence)) return sentence;
    const [first] = sentence.split(": ");
    return OF_ROUTES.test(first) || first.split(" ").length < 4 ? "" : `${first}.`;
  };
  return (suggestion ?? "").split(/(?<=\.)\s+/).map(plain).filter(Boolean).join(" ");
}

const RANGES = [
  [/should be greater than or equal to ([^\s,]+)/, "At least $1."],
  [/should be less than or equal to ([^\s,]+)/, "At most $1."],
  [/should be greater than ([^\s,]+)/, "More than $1."],
  [/should be less than ([^\s,]+)/, "Less than $1."],
  [/should have at most (\d+) characters/, "At most $1 characters."],
  [/exceeded maximum size/, "A smaller number."],
  [/valid integer|plain digits/, "A whole number."],
];

/** What a field may hold, by the problem that names it; null where that tells no range. */
export function rangeWords({ param, detail }) {
  const part = (detail ?? "").split("; ").find((cause) => cause.startsWith(`${param}: `)) ?? "";
  for (const [told, words] of RANGES) {
    const found = told.exec(part);
    if (found) return words.replace("$1", found[1]);
  }
  return null;
}
