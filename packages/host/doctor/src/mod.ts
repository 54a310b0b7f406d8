export { createDoctor } from "./doctor.ts";
export { type DoctorProbes, Surroundings } from "./surroundings.ts";
