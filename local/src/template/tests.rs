use std::time::Duration;

use super::*;

const TEMPLATE: &str = r#"
Parameters:
  Cost: {Type: Number, Default: 12}
  Limit: {Type: Number, Default: 0}
  Origins: {Type: CommaDelimitedList, Default: 'https://a.example, https://b.example'}
  Rate: {Type: String, Default: rate(1 hour)}
  Retries: {Type: Number, Default: '5'}
Rules:
  LimitNeedsCost:
    RuleCondition: !Not [!Equals [!Ref Limit, 0]]
    Assertions:
      - {Assert: {Fn::Contains: [['10', '12'], !Ref Cost]}, AssertDescription: A limit needs a cost}
Conditions:
  Limits: !Not [!Equals [!Ref Limit, 0]]
  Never: !And [!Condition Limits, !Equals [a, b]]
Globals:
  Function:
    Timeout: 7
    Environment: {Variables: {RUST_LOG: info, BCRYPT_COST: '12'}}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      StageName: $default
      CorsConfiguration: {AllowOrigins: !Ref Origins, AllowMethods: [GET, PUT], MaxAge: 60}
  AbsentTable: {Type: AWS::DynamoDB::Table, Condition: Never, Properties: {}}
  JobsTable:
    Type: AWS::DynamoDB::Table
    Properties:
      KMSKey: !GetAtt Key.Arn
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}, {AttributeName: day, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      GlobalSecondaryIndexes:
        - IndexName: days
          KeySchema: [{AttributeName: day, KeyType: HASH}]
          Projection: {ProjectionType: ALL}
      StreamSpecification: {StreamViewType: KEYS_ONLY}
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
  Shared: {Type: AWS::IAM::ManagedPolicy, Properties: {PolicyDocument: {Statement: [{Sid: B}]}}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      ManagedPolicyArns: [!Ref Shared]
      Policies: [{PolicyName: data, PolicyDocument: {Statement: [
        {Sid: A, Resource: !GetAtt JobsTable.Arn}, !If [Limits, {Sid: C}, !Ref AWS::NoValue], !If [Limits, {Sid: D}, {Sid: E}]]}}]
  WorkFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/work/
      MemorySize: 256
      ReservedConcurrentExecutions: !If [Limits, !Ref Limit, !Ref AWS::NoValue]
      Role: !GetAtt Role.Arn
      Environment: {Variables: {JOBS_TABLE: !Ref JobsTable, BCRYPT_COST: '10'}}
      Events:
        Create: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: post, Path: /api/jobs}}
        Hourly: {Type: Schedule, Properties: {Schedule: !Ref Rate}}
        Often: {Type: Schedule, Properties: {Schedule: rate(5 minutes), Input: '{"a": 1}'}}
        Off: {Type: Schedule, Properties: {Schedule: rate(1 day), Enabled: false}}
  Jobs:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt JobsTable.StreamArn
      FunctionName: !Ref WorkFunction.Alias
      BatchSize: 10
      BisectBatchOnFunctionError: true
      MaximumRetryAttempts: !Ref Retries
      FunctionResponseTypes: [ReportBatchItemFailures]
      FilterCriteria: {Filters: [{Pattern: '{"eventName": ["INSERT", "MODIFY"]}'}]}
"#;

fn template() -> Template {
    Template::parse(TEMPLATE).expect("a valid template")
}

/// Returns the message about the template with one text replaced.
fn refused(written: &str, broken: &str) -> String {
    assert!(TEMPLATE.contains(written), "{written}");
    format!("{:#}", Template::parse(&TEMPLATE.replace(written, broken)).expect_err(broken))
}

#[test]
fn a_table_is_read_unless_its_condition_is_false() {
    let template = template();
    let [table] = template.tables() else { panic!("one table expected: {:?}", template.tables()) };
    assert_eq!((table.logical_id.as_str(), table.name.as_str()), ("JobsTable", "JobsTable"));
    assert_eq!(table.indexes[0].projection, json!({"ProjectionType": "ALL"}));
    assert_eq!(table.stream.as_ref().expect("a stream").stream_view_type, "KEYS_ONLY");
    assert_eq!(table.time_to_live.as_ref().expect("a time to live").attribute_name, "expires_at");
}

#[test]
fn a_function_is_read_with_the_settings_of_globals() {
    let template = template();
    let function = template.function("work").expect("the function");
    assert_eq!((function.timeout, function.memory_megabytes), (Duration::from_secs(7), 256));
    let expected = json!({"RUST_LOG": "info", "BCRYPT_COST": "10", "JOBS_TABLE": {"Ref": "JobsTable"}});
    assert_eq!(Value::Object(function.environment.clone()), expected);
    assert_eq!(function.routes, [Route { method: "POST".to_owned(), path: "/api/jobs".to_owned() }]);
    let schedule = |name: &str, every, input| Schedule { name: name.to_owned(), every, input };
    let expected = [
        schedule("Hourly", Duration::from_hours(1), None),
        schedule("Often", Duration::from_mins(5), Some(json!({"a": 1}))),
    ];
    assert_eq!(function.schedules, expected);
}

#[test]
fn a_function_has_all_statements_of_its_role() {
    let a = json!({"Sid": "A", "Resource": {"Fn::GetAtt": ["JobsTable", "Arn"]}});
    let expected = [a, json!({"Sid": "E"}), json!({"Sid": "B"})];
    assert_eq!(template().functions()[0].statements, expected);
}

#[test]
fn a_mapping_is_read_with_the_defaults_of_lambda() {
    let expected = StreamMapping {
        table: "JobsTable".to_owned(),
        operation: "work".to_owned(),
        batch_size: 10,
        event_names: vec!["INSERT".to_owned(), "MODIFY".to_owned()],
        bisects: true,
        retries: Some(5),
        reports_failures: true,
    };
    let template = template();
    assert_eq!(template.stream_mappings(), [expected]);
    let mapping = &template.stream_mappings()[0];
    assert!(mapping.wants(&json!({"eventName": "MODIFY"})));
    assert!(!mapping.wants(&json!({"eventName": "REMOVE"})));

    let (head, _) = TEMPLATE.split_once("      BatchSize").expect("the mapping's first lines");
    let bare = Template::parse(head).expect("a valid template");
    let [mapping] = bare.stream_mappings() else { panic!("one mapping expected") };
    assert_eq!((mapping.batch_size, mapping.retries), (100, None));
    assert!(!mapping.bisects && !mapping.reports_failures);
    assert!(mapping.wants(&json!({"eventName": "REMOVE"})));
    let endless = TEMPLATE.replace("!Ref Retries", "-1");
    assert_eq!(Template::parse(&endless).expect("a valid template").stream_mappings()[0].retries, None);
    let off = Template::parse(&format!("{head}      Enabled: false\n")).expect("a valid template");
    assert!(off.stream_mappings().is_empty());
}

#[test]
fn a_cors_configuration_is_read_with_parameters() {
    let expected = Cors {
        allow_origins: vec!["https://a.example".to_owned(), "https://b.example".to_owned()],
        allow_methods: vec!["GET".to_owned(), "PUT".to_owned()],
        max_age: Some(60),
        ..Cors::default()
    };
    assert_eq!(template().cors(), Some(&expected));
    assert_eq!(Template::parse("Resources: {}").expect("a valid template").cors(), None);
}

#[test]
fn parameters_decide_unless_a_rule_refuses_them() {
    let limit = |values: &[(&str, &str)]| {
        template().with_parameters(values).map(|template| template.functions()[0].reserved_concurrency)
    };
    assert_eq!(limit(&[]).expect("the defaults"), None);
    assert_eq!(limit(&[("Cost", "11")]).expect("the rule does not apply"), None);
    assert_eq!(limit(&[("Limit", "20")]).expect("good values"), Some(20));
    let refused = limit(&[("Limit", "20"), ("Cost", "11")]).expect_err("the rule");
    assert_eq!(refused.to_string(), "LimitNeedsCost: A limit needs a cost");
    assert_eq!(limit(&[("Size", "1")]).expect_err("unknown").to_string(), "there is no parameter Size");
}

#[test]
fn optional_parts_are_on_unless_parameters_turn_them_off() {
    const OPTIONAL: &str = "
Parameters: {MailFrom: {Type: String, Default: ''}}
Conditions: {SendsMail: !Not [!Equals [!Ref MailFrom, '']]}
Resources:
  OutboxTable:
    Type: AWS::DynamoDB::Table
    Condition: SendsMail
    Properties:
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      StreamSpecification: {StreamViewType: KEYS_ONLY}
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - {PolicyName: data, PolicyDocument: {Statement: [{Sid: A}]}}
        - !If [SendsMail, {PolicyName: mail, PolicyDocument: {Statement: [{Sid: B}]}}, !Ref AWS::NoValue]
  WorkFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/work/
      Role: !GetAtt Role.Arn
      Environment:
        Variables:
          OUTBOX_TABLE: !If [SendsMail, !Ref OutboxTable, !Ref AWS::NoValue]
          MODE: !If [SendsMail, loud, quiet]
  SendFunction:
    Type: AWS::Serverless::Function
    Condition: SendsMail
    Properties:
      CodeUri: target/lambda/send/
      Environment: {Variables: {MAIL_FROM: !Ref MailFrom}}
      Events:
        Send: {Type: HttpApi, Properties: {Method: post, Path: /api/send}}
        Hourly: {Type: Schedule, Properties: {Schedule: rate(1 hour)}}
  Mails:
    Type: AWS::Lambda::EventSourceMapping
    Condition: SendsMail
    Properties: {EventSourceArn: !GetAtt OutboxTable.StreamArn, FunctionName: !Ref SendFunction.Alias}
";
    let on = Template::parse(OPTIONAL).expect("a valid template");
    let function = on.function("work").expect("the function");
    let environment = json!({"OUTBOX_TABLE": {"Ref": "OutboxTable"}, "MODE": "loud"});
    assert_eq!(Value::Object(function.environment.clone()), environment);
    assert_eq!(function.statements, [json!({"Sid": "A"}), json!({"Sid": "B"})]);
    let send = on.function("send").expect("the function");
    assert_eq!((send.routes.len(), send.schedules.len()), (1, 1));
    let [mapping] = on.stream_mappings() else { panic!("one mapping expected") };
    assert_eq!((&*mapping.table, &*mapping.operation), ("OutboxTable", "send"));

    let off = on.with_parameters(&[("MailFrom", "")]).expect("a valid template");
    let [function] = off.functions() else { panic!("one function expected") };
    assert_eq!(Value::Object(function.environment.clone()), json!({"MODE": "quiet"}));
    assert_eq!(function.statements, [json!({"Sid": "A"})]);
    assert_eq!((off.tables(), off.stream_mappings()), (&[][..], &[][..]));
}

#[test]
fn a_mistake_is_named_with_its_place() {
    for (written, broken, message) in [
        ("StageName: $default", "StageName: v1", "Api.Properties.StageName: only $default is supported"),
        ("MaxAge: 60", "MaxAge: long", "Api.Properties.CorsConfiguration.MaxAge: invalid type: string"),
        (
            "MaxAge: 60",
            "AllowCredentials: true",
            "Api.Properties.CorsConfiguration.AllowCredentials: unknown",
        ),
        (
            "KeySchema: [{AttributeName: id",
            "Key: [{AttributeName: id",
            "JobsTable.Properties: missing field `KeySchema`",
        ),
        ("CodeUri", "Code", "WorkFunction.Properties: missing field `CodeUri`"),
        ("MemorySize: 256", "MemorySize: much", "WorkFunction.Properties.MemorySize: invalid type: string"),
        (
            "/api/jobs}",
            "'/api/{all+}'}",
            "WorkFunction.Properties.Events.Create.Properties.Path: a greedy parameter",
        ),
        (
            "[!Ref Shared]",
            "['arn:aws:iam::aws:policy/AdministratorAccess']",
            "WorkFunction.Properties.Role: its policies must be in the template",
        ),
        (
            "rate(5 minutes)",
            "rate(0 hours)",
            "WorkFunction.Properties.Events.Often.Properties.Schedule: \"rate(0 hours)\" is not a rate",
        ),
        (
            "rate(5 minutes)",
            "cron(0 * * * ? *)",
            "WorkFunction.Properties.Events.Often.Properties.Schedule: \"cron(",
        ),
        (
            "JobsTable.StreamArn",
            "JobsTable.Arn",
            "Jobs.Properties.EventSourceArn: the StreamArn of a table is needed",
        ),
        (
            "      StreamSpecification: {StreamViewType: KEYS_ONLY}\n",
            "",
            "Jobs.Properties.EventSourceArn: the table JobsTable has no stream",
        ),
        ("!Ref WorkFunction.Alias", "work", "Jobs.Properties.FunctionName: there is no such function"),
        ("BatchSize: 10", "BatchSize: 0", "Jobs.Properties.BatchSize: it must be positive"),
        ("!Ref Retries", "many", "Jobs.Properties.MaximumRetryAttempts: invalid type: string"),
        (
            r#""eventName": ["INSERT", "MODIFY"]"#,
            r#""dynamodb": {}"#,
            "Jobs.Properties.FilterCriteria: the pattern {\"dynamodb\": {}} does not filter by eventName alone",
        ),
    ] {
        let refused = refused(written, broken);
        assert!(refused.starts_with(&format!("Resources.{message}")), "{refused}");
    }
    let error = Template::parse("Description: nothing\n").expect_err("no resources");
    assert_eq!(error.to_string(), "the template has no Resources");
}
