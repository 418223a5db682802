// Shapes and meshes that were fetched, so that going back to one is quick.

import { readGlb } from "./glb.js";

const MOST_MESHES = 24;

export class Library {
  constructor(api) {
    this.api = api;
    this.records = new Map();
    this.meshes = new Map();
  }

  async record(id) {
    if (!this.records.has(id)) this.records.set(id, await this.api.json(`shapes/${encodeURIComponent(id)}`));
    return this.records.get(id);
  }

  /** Several records, without those that are gone. */
  async recordsOf(ids) {
    const found = await Promise.allSettled(ids.map((id) => this.record(id)));
    return found.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
  }

  /** The shapes that a job made; an older one that it only meshed is not the job's to describe. */
  keep(job) {
    const { queue, ...work } = job.timings_ms;
    const time = Object.values(work).reduce((sum, part) => sum + part, 0);
    return job.shapes.map((shape) => {
      const record = { ...shape, operation: job.operation, input: job.input, time: shape.reused ? null : time };
      if (shape.expires_at !== null) this.records.set(shape.id, record);
      return record;
    });
  }

  tree(id) {
    return this.api.json(`shapes/${encodeURIComponent(id)}/tree`);
  }

  /** The mesh that the shape's own job made, whatever format that was in. */
  mesh({ id }) {
    const loading = this.meshes.get(id) ?? this.api.bytes(`shapes/${id}/mesh?format=glb`).then(readGlb);
    this.meshes.delete(id);
    this.meshes.set(id, loading); // the last of the map is the one last used
    loading.catch(() => this.meshes.delete(id));
    if (this.meshes.size > MOST_MESHES) this.meshes.delete(this.meshes.keys().next().value);
    return loading;
  }
}
