//! Groups of well-known artifacts whose archives do not name them: what Gradle and Ant build has no
//! `pom.properties`.

/// Whole names.
const ARTIFACTS: &[(&str, &[&str])] = &[
    (
        "org.springframework",
        &[
            "spring-aop",
            "spring-aspects",
            "spring-beans",
            "spring-context",
            "spring-context-indexer",
            "spring-context-support",
            "spring-core",
            "spring-core-test",
            "spring-expression",
            "spring-instrument",
            "spring-jcl",
            "spring-jdbc",
            "spring-jms",
            "spring-messaging",
            "spring-orm",
            "spring-oxm",
            "spring-r2dbc",
            "spring-test",
            "spring-tx",
            "spring-web",
            "spring-webflux",
            "spring-webmvc",
            "spring-webmvc-portlet",
            "spring-websocket",
            "spring-asm",
            "spring-struts",
        ],
    ),
    ("com.squareup.okhttp3", &["okhttp", "okhttp-jvm", "logging-interceptor", "okhttp-urlconnection"]),
    ("com.squareup.okio", &["okio", "okio-jvm"]),
    ("com.squareup.retrofit2", &["retrofit"]),
    ("org.reactivestreams", &["reactive-streams"]),
    ("io.projectreactor", &["reactor-core"]),
    ("io.reactivex.rxjava3", &["rxjava"]),
    (
        "org.apache.kafka",
        &["kafka-clients", "kafka-streams", "kafka-raft", "kafka-server-common", "connect-runtime"],
    ),
    ("org.mongodb", &["mongodb-driver-core", "mongodb-driver-sync", "mongo-java-driver", "bson"]),
    ("com.microsoft.sqlserver", &["mssql-jdbc"]),
    ("com.h2database", &["h2"]),
    ("org.hsqldb", &["hsqldb"]),
    ("org.xerial", &["sqlite-jdbc"]),
    ("mysql", &["mysql-connector-java"]),
    ("com.mysql", &["mysql-connector-j"]),
    ("log4j", &["log4j"]),
    ("junit", &["junit"]),
    ("org.ow2.asm", &["asm", "asm-analysis", "asm-commons", "asm-tree", "asm-util"]),
    ("org.javassist", &["javassist"]),
    ("org.antlr", &["antlr4-runtime", "antlr4"]),
    ("antlr", &["antlr"]),
    ("net.minidev", &["json-smart", "accessors-smart"]),
    ("com.jayway.jsonpath", &["json-path"]),
    ("org.apache.ant", &["ant", "ant-launcher"]),
    ("xalan", &["xalan", "serializer"]),
    ("xerces", &["xercesImpl"]),
    ("xml-apis", &["xml-apis"]),
    ("commons-codec", &["commons-codec"]),
    ("commons-collections", &["commons-collections"]),
    ("commons-beanutils", &["commons-beanutils"]),
    ("commons-fileupload", &["commons-fileupload"]),
    ("commons-httpclient", &["commons-httpclient"]),
    ("commons-io", &["commons-io"]),
    ("commons-lang", &["commons-lang"]),
    ("commons-logging", &["commons-logging"]),
    ("commons-dbcp", &["commons-dbcp"]),
    ("commons-pool", &["commons-pool"]),
    ("commons-net", &["commons-net"]),
    ("commons-cli", &["commons-cli"]),
    ("org.scala-lang", &["scala-library", "scala-reflect", "scala-compiler"]),
    ("org.elasticsearch", &["elasticsearch", "elasticsearch-core", "elasticsearch-x-content"]),
    ("org.opensearch", &["opensearch", "opensearch-core"]),
    (
        "org.apache.tomcat",
        &["catalina", "jasper", "tomcat-coyote", "tomcat-util", "tomcat-juli", "tomcat-jdbc"],
    ),
    ("net.java.dev.jna", &["jna", "jna-platform"]),
    ("com.thoughtworks.xstream", &["xstream"]),
    ("org.yaml", &["snakeyaml"]),
    ("com.zaxxer", &["HikariCP"]),
];

/// Beginnings of names; the first that fits holds, so longer ones stand first.
const FAMILIES: &[(&str, &str)] = &[
    ("spring-boot", "org.springframework.boot"),
    ("spring-security-", "org.springframework.security"),
    ("spring-data-", "org.springframework.data"),
    ("spring-cloud-", "org.springframework.cloud"),
    ("spring-session-", "org.springframework.session"),
    ("spring-batch-", "org.springframework.batch"),
    ("spring-integration-", "org.springframework.integration"),
    ("spring-kafka", "org.springframework.kafka"),
    ("spring-rabbit", "org.springframework.amqp"),
    ("spring-amqp", "org.springframework.amqp"),
    ("spring-ws-", "org.springframework.ws"),
    ("spring-hateoas", "org.springframework.hateoas"),
    ("spring-retry", "org.springframework.retry"),
    ("spring-ldap-", "org.springframework.ldap"),
    ("kotlin-stdlib", "org.jetbrains.kotlin"),
    ("kotlin-reflect", "org.jetbrains.kotlin"),
    ("kotlinx-coroutines-", "org.jetbrains.kotlinx"),
    ("tomcat-embed-", "org.apache.tomcat.embed"),
    ("tomcat-", "org.apache.tomcat"),
    ("lucene-", "org.apache.lucene"),
    ("kafka_2.", "org.apache.kafka"),
    ("micrometer-", "io.micrometer"),
    ("reactor-netty", "io.projectreactor.netty"),
    ("bcprov-", "org.bouncycastle"),
    ("bcpkix-", "org.bouncycastle"),
    ("bcutil-", "org.bouncycastle"),
    ("ojdbc", "com.oracle.database.jdbc"),
    ("grpc-", "io.grpc"),
    ("opentelemetry-", "io.opentelemetry"),
    ("micronaut-", "io.micronaut"),
    ("ktor-", "io.ktor"),
];

/// The group that publishes an artifact of this name and version.
pub(super) fn of(artifact: &str, version: &str) -> Option<&'static str> {
    let major = |least: u32| version.split('.').next().and_then(|v| v.parse::<u32>().ok()) >= Some(least);
    match artifact {
        // These moved.
        "hibernate-core" => return Some(if major(6) { "org.hibernate.orm" } else { "org.hibernate" }),
        "groovy" | "groovy-all" | "groovy-json" | "groovy-xml" | "groovy-templates" => {
            return Some(if major(4) { "org.apache.groovy" } else { "org.codehaus.groovy" });
        }
        _ => {}
    }
    let whole = ARTIFACTS.iter().find(|(_, names)| names.contains(&artifact)).map(|(group, _)| *group);
    whole.or_else(|| FAMILIES.iter().find(|(start, _)| artifact.starts_with(start)).map(|(_, group)| *group))
}
