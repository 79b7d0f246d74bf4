// Templates of usual CDK stacks with a CloudFront distribution, written beside this file.
//
//   npm install aws-cdk-lib@2 constructs@10 && node tests/templates/cdk_stacks.cjs
//
// Hashes of assets, and what CDK says of itself, are taken out: a later CDK changes only what matters.
"use strict";
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { createRequire } = require("node:module");
const from = createRequire(path.join(process.cwd(), "package.json"));
const cdk = from("aws-cdk-lib");
const cloudfront = from("aws-cdk-lib/aws-cloudfront");
const origins = from("aws-cdk-lib/aws-cloudfront-origins");
const s3 = from("aws-cdk-lib/aws-s3");
const lambda = from("aws-cdk-lib/aws-lambda");

const here = __dirname;
const work = fs.mkdtempSync(path.join(os.tmpdir(), "cdk-"));
const pem = fs.readFileSync(path.join(here, "signer.public.pem"), "utf8");
const http = (name, more) => new origins.HttpOrigin(name, more);
const certificate = (scope) =>
  from("aws-cdk-lib/aws-certificatemanager").Certificate.fromCertificateArn(
    scope, "Certificate", "arn:aws:acm:us-east-1:111122223333:certificate/1234abcd");

const STACKS = {
  "static-site": (stack) => {
    const bucket = new s3.Bucket(stack, "Site");
    new cloudfront.Distribution(stack, "Cdn", {
      defaultRootObject: "index.html",
      defaultBehavior: {
        origin: origins.S3BucketOrigin.withOriginAccessControl(bucket),
        viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
        compress: true,
      },
    });
  },
  "single-page-application": (stack) => {
    const bucket = new s3.Bucket(stack, "Assets", { bucketName: "spa-assets-example" });
    new cloudfront.Distribution(stack, "Cdn", {
      defaultRootObject: "index.html",
      domainNames: ["app.example.test"],
      certificate: certificate(stack),
      minimumProtocolVersion: cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
      httpVersion: cloudfront.HttpVersion.HTTP2_AND_3,
      defaultBehavior: {
        origin: origins.S3BucketOrigin.withOriginAccessControl(bucket),
        responseHeadersPolicy: cloudfront.ResponseHeadersPolicy.SECURITY_HEADERS,
      },
      errorResponses: [403, 404].map((httpStatus) => ({
        httpStatus, responseHttpStatus: 200, responsePagePath: "/index.html",
        ttl: cdk.Duration.minutes(5),
      })),
    });
  },
  "access-identity": (stack) => {
    const bucket = new s3.Bucket(stack, "Media", { bucketName: "media-example" });
    new cloudfront.Distribution(stack, "Cdn", {
      defaultBehavior: { origin: origins.S3BucketOrigin.withOriginAccessIdentity(bucket) },
    });
  },
  "api-with-cache-policy": (stack) => {
    const cachePolicy = new cloudfront.CachePolicy(stack, "ApiCache", {
      cachePolicyName: "ApiCache", comment: "by locale and page",
      minTtl: cdk.Duration.seconds(1), defaultTtl: cdk.Duration.minutes(1),
      maxTtl: cdk.Duration.hours(1),
      cookieBehavior: cloudfront.CacheCookieBehavior.allowList("locale"),
      headerBehavior: cloudfront.CacheHeaderBehavior.allowList("Accept-Language", "Origin"),
      queryStringBehavior: cloudfront.CacheQueryStringBehavior.denyList("utm_source"),
      enableAcceptEncodingGzip: true, enableAcceptEncodingBrotli: true,
    });
    const originRequestPolicy = new cloudfront.OriginRequestPolicy(stack, "ApiRequest", {
      originRequestPolicyName: "ApiRequest",
      headerBehavior: cloudfront.OriginRequestHeaderBehavior.all("CloudFront-Viewer-Country"),
      queryStringBehavior: cloudfront.OriginRequestQueryStringBehavior.all(),
    });
    const responseHeadersPolicy = new cloudfront.ResponseHeadersPolicy(stack, "ApiHeaders", {
      responseHeadersPolicyName: "ApiHeaders",
      corsBehavior: {
        accessControlAllowCredentials: false, accessControlAllowHeaders: ["*"],
        accessControlAllowMethods: ["GET", "OPTIONS"],
        accessControlAllowOrigins: ["https://app.example.test"],
        accessControlMaxAge: cdk.Duration.minutes(10), originOverride: true,
      },
      customHeadersBehavior: {
        customHeaders: [{ header: "X-Api", value: "2", override: true }],
      },
      removeHeaders: ["Server"], serverTimingSamplingRate: 50,
      securityHeadersBehavior: {
        contentTypeOptions: { override: true },
        strictTransportSecurity: {
          accessControlMaxAge: cdk.Duration.days(365), includeSubdomains: true, override: true,
        },
      },
    });
    new cloudfront.Distribution(stack, "Cdn", {
      defaultBehavior: {
        origin: http("api.example.test", {
          httpsPort: 8443, readTimeout: cdk.Duration.seconds(20),
          customHeaders: { "X-Origin-Verify": "secret" },
        }),
        allowedMethods: cloudfront.AllowedMethods.ALLOW_ALL,
        cachePolicy, originRequestPolicy, responseHeadersPolicy,
      },
    });
  },
  "signed-cookies": (stack) => {
    const key = new cloudfront.PublicKey(stack, "SignerKey", { encodedKey: pem });
    const group = new cloudfront.KeyGroup(stack, "Signers", { items: [key] });
    new cloudfront.Distribution(stack, "Cdn", {
      defaultBehavior: { origin: http("www.example.test") },
      additionalBehaviors: {
        "/members/*": { origin: http("members.example.test"), trustedKeyGroups: [group] },
      },
    });
  },
  functions: (stack) => {
    const rewrite = new cloudfront.Function(stack, "Rewrite", {
      functionName: "rewrite", runtime: cloudfront.FunctionRuntime.JS_2_0,
      code: cloudfront.FunctionCode.fromInline(
        "function handler(event) {\n  var request = event.request;\n" +
        "  if (request.uri.endsWith('/')) request.uri += 'index.html';\n  return request;\n}\n"),
    });
    const mark = new cloudfront.Function(stack, "Mark", {
      functionName: "mark", runtime: cloudfront.FunctionRuntime.JS_1_0,
      code: cloudfront.FunctionCode.fromInline(
        "function handler(event) {\n  var response = event.response;\n" +
        "  response.headers['x-mark'] = {value: 'yes'};\n  return response;\n}\n"),
    });
    new cloudfront.Distribution(stack, "Cdn", {
      defaultBehavior: {
        origin: http("www.example.test"),
        functionAssociations: [
          { function: rewrite, eventType: cloudfront.FunctionEventType.VIEWER_REQUEST },
          { function: mark, eventType: cloudfront.FunctionEventType.VIEWER_RESPONSE },
        ],
      },
    });
  },
  "key-value-store": (stack) => {
    const store = new cloudfront.KeyValueStore(stack, "Redirects", {
      keyValueStoreName: "redirects",
    });
    const redirect = new cloudfront.Function(stack, "Redirect", {
      functionName: "redirect", keyValueStore: store,
      code: cloudfront.FunctionCode.fromInline(
        "import cf from 'cloudfront';\nconst store = cf.kvs();\n" +
        "async function handler(event) {\n  return event.request;\n}\n"),
    });
    new cloudfront.Distribution(stack, "Cdn", {
      defaultBehavior: {
        origin: http("www.example.test"),
        functionAssociations: [
          { function: redirect, eventType: cloudfront.FunctionEventType.VIEWER_REQUEST },
        ],
      },
    });
  },
  failover: (stack) => {
    new cloudfront.Distribution(stack, "Cdn", {
      defaultBehavior: {
        origin: new origins.OriginGroup({
          primaryOrigin: http("first.example.test"), fallbackOrigin: http("second.example.test"),
          fallbackStatusCodes: [500, 502, 503, 504],
        }),
      },
    });
  },
  "several-behaviors": (stack) => {
    const bucket = s3.Bucket.fromBucketName(stack, "Images", "images-example");
    const web = http("web.example.test", { protocolPolicy: cloudfront.OriginProtocolPolicy.HTTP_ONLY });
    new cloudfront.Distribution(stack, "Cdn", {
      comment: "shop", priceClass: cloudfront.PriceClass.PRICE_CLASS_100, enableIpv6: false,
      defaultBehavior: { origin: web, cachePolicy: cloudfront.CachePolicy.CACHING_DISABLED,
        originRequestPolicy: cloudfront.OriginRequestPolicy.ALL_VIEWER },
      additionalBehaviors: {
        "/images/*": { origin: origins.S3BucketOrigin.withOriginAccessControl(bucket) },
        "/api/*": {
          origin: http("api.example.test", { originPath: "/v1" }),
          allowedMethods: cloudfront.AllowedMethods.ALLOW_GET_HEAD_OPTIONS,
          viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
        },
        "*.css": { origin: web, compress: false },
      },
    });
  },
  "web-distribution": (stack) => {
    new cloudfront.CloudFrontWebDistribution(stack, "Cdn", {
      originConfigs: [{
        customOriginSource: { domainName: "old.example.test" },
        behaviors: [{
          isDefaultBehavior: true, minTtl: cdk.Duration.seconds(0),
          defaultTtl: cdk.Duration.hours(1), maxTtl: cdk.Duration.days(1),
          forwardedValues: {
            queryString: true, headers: ["Origin"],
            cookies: { forward: "whitelist", whitelistedNames: ["session"] },
          },
        }],
      }],
    });
  },
  parameters: (stack) => {
    const host = new cdk.CfnParameter(stack, "OriginHost", { type: "String" });
    const stage = new cdk.CfnParameter(stack, "Stage", {
      type: "String", default: "test", allowedValues: ["test", "production"],
    });
    const live = new cdk.CfnCondition(stack, "Live", {
      expression: cdk.Fn.conditionEquals(stage.valueAsString, "production"),
    });
    const ttls = new cdk.CfnMapping(stack, "Ttls", {
      mapping: { test: { seconds: 5 }, production: { seconds: 3600 } },
    });
    const policy = new cloudfront.CfnCachePolicy(stack, "Policy", {
      cachePolicyConfig: {
        name: cdk.Fn.join("-", ["site", stage.valueAsString]),
        minTtl: 0, maxTtl: 86400,
        defaultTtl: cdk.Token.asNumber(ttls.findInMap(stage.valueAsString, "seconds")),
        parametersInCacheKeyAndForwardedToOrigin: {
          enableAcceptEncodingGzip: true,
          cookiesConfig: { cookieBehavior: "none" }, headersConfig: { headerBehavior: "none" },
          queryStringsConfig: { queryStringBehavior: "all" },
        },
      },
    });
    const distribution = new cloudfront.CfnDistribution(stack, "Cdn", {
      distributionConfig: {
        enabled: true, comment: cdk.Fn.sub("site of ${Stage} in ${AWS::StackName}"),
        aliases: cdk.Token.asList(cdk.Fn.conditionIf("Live", ["www.example.test"], ["test.example.test"])),
        origins: [{
          id: "web", domainName: host.valueAsString,
          customOriginConfig: { originProtocolPolicy: "https-only", originSslProtocols: ["TLSv1.2"] },
        }],
        defaultCacheBehavior: {
          targetOriginId: "web", viewerProtocolPolicy: "redirect-to-https",
          cachePolicyId: policy.ref,
        },
      },
    });
    distribution.addPropertyOverride("DistributionConfig.WebACLId", { Ref: "AWS::NoValue" });
  },
  "edge-lambda": (stack) => {
    const handler = new lambda.Function(stack, "Auth", {
      functionName: "auth", runtime: lambda.Runtime.NODEJS_20_X, handler: "index.handler",
      code: lambda.Code.fromInline("exports.handler = async (event) => event.Records[0].cf.request;"),
    });
    new cloudfront.Distribution(stack, "Cdn", {
      defaultBehavior: {
        origin: http("www.example.test"),
        edgeLambdas: [{
          functionVersion: handler.currentVersion,
          eventType: cloudfront.LambdaEdgeEventType.ORIGIN_REQUEST,
        }],
      },
    });
  },
  "web-acl-and-log": (stack) => {
    const logs = new s3.Bucket(stack, "Logs", {
      bucketName: "logs-example", objectOwnership: s3.ObjectOwnership.OBJECT_WRITER,
    });
    new cloudfront.Distribution(stack, "Cdn", {
      webAclId: "arn:aws:wafv2:us-east-1:111122223333:global/webacl/shop/1234",
      enableLogging: true, logBucket: logs, logFilePrefix: "shop/",
      geoRestriction: cloudfront.GeoRestriction.allowlist("GB", "FR"),
      defaultBehavior: { origin: http("www.example.test") },
    });
  },
};

for (const [name, build] of Object.entries(STACKS)) {
  const app = new cdk.App({ outdir: path.join(work, name), analyticsReporting: false });
  const stack = new cdk.Stack(app, "Site", {
    synthesizer: new cdk.DefaultStackSynthesizer({ generateBootstrapVersionRule: false }),
  });
  build(stack);
  const template = app.synth().getStackByName("Site").template;
  const text = JSON.stringify(template, null, 1).replace(/[0-9a-f]{64}/g, "0".repeat(64));
  fs.writeFileSync(path.join(here, `${name}.json`), `${text}\n`);
}
fs.rmSync(work, { recursive: true });
