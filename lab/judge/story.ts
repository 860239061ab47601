// A customer's story, played with the types that openapi-typescript makes and openapi-fetch:
// node story.js ORIGIN API_KEY PHOTO. It compiles only while every field that it reads is declared.

import { readFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Job = components["schemas"]["Job"];
type Refusal = components["schemas"]["Error"];

const PATIENCE_MS = 120_000;
const POLL_MS = 300;
const [origin, key, photo] = process.argv.slice(2) as [string, string, string];
const bot = createClient<paths>({ baseUrl: origin, headers: { "X-API-Key": key } });

async function main(): Promise<void> {
  const config = got(await bot.GET("/api/v1/config"));
  insist(config.payments.providers.includes("yookassa"), "YooKassa is connected");
  const telegramId = String(1_000_000_000 + Math.floor(Math.random() * 1e9));
  const user = got(await bot.POST("/api/v1/users/register-or-login", { body: { telegramId } }));
  const params = { path: { userId: user.id } };
  const consent = { params, body: { consentPd: true } };
  insist(got(await bot.PATCH("/api/v1/users/{userId}/consent", consent)).consentPd, "consent");
  await pay(user.id);
  const job = await order(user.id);
  await refused();
  const size: number | undefined = job.meta.width;
  console.log(`an order of ${job.priceTokens} tokens is ${job.status}, ${size} pixels wide`);
}

async function pay(userId: string): Promise<void> {
  const tariff = got(await bot.GET("/api/v1/tariffs"))[0];
  if (!tariff) throw new Error("nothing is sold");
  const intent = got(
    await bot.POST("/api/v1/payments/intents", {
      params: { header: { "Idempotency-Key": randomUUID() } },
      body: { userId, amountRub: tariff.costRub, plan: tariff.name, provider: "yookassa" },
    }),
  );
  await fetch(intent.paymentUrl, { method: "POST", body: new URLSearchParams({ do: "pay" }) });
  const params = { path: { paymentId: intent.id } };
  await until(async () => {
    const payment = got(await bot.POST("/api/v1/payments/{paymentId}/check", { params }));
    const sentence: string | undefined = payment.error?.message;
    insist(sentence === undefined, "nothing was declined");
    return payment.status === "succeeded";
  });
}

async function order(userId: string): Promise<Job> {
  const file = new Blob([new Uint8Array(await readFile(photo))]);
  const data = got(
    await bot.POST("/api/v1/data", {
      body: { file: "", type: "image" },
      bodySerializer: () => {
        const form = new FormData();
        form.set("type", "image");
        form.set("file", file, "photo.jpg");
        return form;
      },
    }),
  );
  const made = got(
    await bot.POST("/api/v1/jobs", {
      params: { header: { "Idempotency-Key": randomUUID() } },
      body: { userId, serviceType: "restore", input: [{ type: "image", dataId: data.id }] },
    }),
  );
  const params = { path: { jobId: made.id } };
  let job: Job = made;
  await until(async () => {
    job = got(await bot.GET("/api/v1/jobs/{jobId}", { params }));
    const eta: number | undefined = job.etaSeconds;
    insist(eta === undefined || eta > 0, "an end in the future");
    insist(job.status !== "failed", job.meta.error?.message ?? "failed");
    return job.status === "done";
  });
  insist((await fetch(job.resultUrl ?? "")).ok, "the result can be fetched");
  return job;
}

async function refused(): Promise<void> {
  const params = { path: { jobId: randomUUID() } };
  const { error } = await bot.GET("/api/v1/jobs/{jobId}", { params });
  const refusal = error as Refusal;
  insist(refusal.code === "job_not_found" && refusal.userMessage !== "", "a refusal in its shape");
  const field: unknown = refusal.details?.["jobId"];
  insist(field === undefined, "no field is to blame");
}

function got<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.data === undefined) {
    throw new Error(`${answer.response.status} ${JSON.stringify(answer.error)}`);
  }
  return answer.data;
}

async function until(fact: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await fact())) {
    insist(Date.now() < deadline, "it became true in time");
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function insist(fact: boolean, what: string): void {
  if (!fact) throw new Error(`not so: ${what}`);
}

await main();
