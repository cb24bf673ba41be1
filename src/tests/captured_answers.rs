//! Every captured answer and error, where the folder with them exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::captured::captures;

use openrouter_monitor::domain::answer::{Hints, read, read_json};
use openrouter_monitor::domain::money::NanoUsd;
use openrouter_monitor::domain::reading::Reading;

/// File, outcome, model, tokens (input, output, cached, written to the cache, reasoning) and cost in nano-dollars.
const ANSWERS: &str = "
json/pydantic-ai__test_eager_input_streaming_sent_to_openrouter_anthropic-disabled___0.json success anthropic/claude-4.5-sonnet-20250929 550 12 0 0 0 1830000
json/pydantic-ai__test_eager_input_streaming_sent_to_openrouter_non-anthropic-enabled___0.json success openai/gpt-5-mini-2025-08-07 37 92 0 0 64 193250
json/pydantic-ai__test_openrouter_binary_content_video_public_api__0.json success google/gemini-2.5-flash 270 28 0 0 0 151000
json/pydantic-ai__test_openrouter_cache_all_settings_real_api__1.json success anthropic/claude-4.6-sonnet-20260217 2649 100 2569 79 0 2569950
json/pydantic-ai__test_openrouter_cache_instructions_dynamic_only_e2e__0.json success anthropic/claude-4.6-sonnet-20260217 260 10 0 0 0 930000
json/pydantic-ai__test_openrouter_cache_instructions_gemini_e2e__0.json success google/gemini-2.5-flash 211 15 0 0 0 100800
json/pydantic-ai__test_openrouter_cache_instructions_gemini_real_api__1.json success google/gemini-2.5-flash 2167 99 2161 0 0 314130
json/pydantic-ai__test_openrouter_cache_instructions_no_instructions_e2e__0.json success anthropic/claude-4.6-sonnet-20260217 13 5 0 0 0 114000
json/pydantic-ai__test_openrouter_cache_instructions_system_prompt_dynamic_e2e__0.json success anthropic/claude-4.6-sonnet-20260217 267 18 0 0 0 1071000
json/pydantic-ai__test_openrouter_cache_messages_anthropic_real_api__0.json success anthropic/claude-4.6-sonnet-20260217 3214 100 0 3211 0 13550250
json/pydantic-ai__test_openrouter_cache_messages_e2e__0.json success anthropic/claude-4.6-sonnet-20260217 17 5 0 0 0 126000
json/pydantic-ai__test_openrouter_cache_point_anthropic_e2e__0.json success anthropic/claude-4.6-sonnet-20260217 176 34 0 0 0 1038000
json/pydantic-ai__test_openrouter_cache_point_image_e2e__0.json success anthropic/claude-4.6-sonnet-20260217 484 9 0 0 0 1587000
json/pydantic-ai__test_openrouter_cache_point_unsupported_provider_e2e__0.json success openai/gpt-5-mini-2025-08-07 73 162 0 0 128 342250
json/pydantic-ai__test_openrouter_cache_tool_definitions_gemini_e2e__0.json success google/gemini-2.5-flash 17 14 0 0 0 40100
json/pydantic-ai__test_openrouter_file_annotation__0.json success openai/gpt-5.1-codex-mini 31 80 0 - 64 2167750
json/pydantic-ai__test_openrouter_google_nested_schema__1.json success google/gemini-2.5-flash 480 33 0 - 0 226500
json/pydantic-ai__test_openrouter_map_messages_reasoning__0.json success anthropic/claude-3.7-sonnet:thinking 43 402 - - - -
json/pydantic-ai__test_openrouter_preserve_reasoning_block__1.json success openai/gpt-5-mini 41 1457 - - 704 -
json/pydantic-ai__test_openrouter_responses_prompt_cache_e2e__1.json success openai/gpt-5.6-sol 4020 5 4012 - 0 2196000
json/pydantic-ai__test_openrouter_thinking_false_supports_thinking_model__0.json success anthropic/claude-4.5-sonnet-20250929 14 4 0 0 0 102000
json/pydantic-ai__test_openrouter_thinking_true_emits_effort_medium__0.json success anthropic/claude-4.5-sonnet-20250929 43 51 0 0 47 894000
json/pydantic-ai__test_openrouter_tool_optional_parameters__0.json success anthropic/claude-sonnet-4.5 568 48 - - - -
json/pydantic-ai__test_openrouter_usage__1.json success openai/gpt-5-mini 17 2177 0 - 960 4358250
json/pydantic-ai__test_openrouter_web_search_annotations__0.json success deepseek/deepseek-chat 2315 40 0 0 0 7637029
json/pydantic-ai__test_openrouter_web_search_tool_usage__0.json success openai/gpt-4.1-mini 8174 30 0 0 0 13317600
json/pydantic-ai__test_openrouter_with_native_options__0.json success x-ai/grok-4 687 240 682 - 165 -
json/pydantic-ai__test_openrouter_with_reasoning__0.json success z-ai/glm-4.6 24 2801 0 - 0 -
json/ruby_llm__chat_basic_chat_functionality_openrouter_claude-haiku-4-5_can_handle_multi-turn_conversation__1.json success anthropic/claude-4.5-haiku-20251001 109 62 0 0 0 419000
json/ruby_llm__chat_basic_chat_functionality_openrouter_claude-haiku-4-5_replaces_previous_system_messages_by_defaul__0.json success anthropic/claude-4.5-haiku-20251001 32 284 0 0 0 1452000
json/ruby_llm__chat_basic_chat_functionality_openrouter_claude-haiku-4-5_returns_raw_response__0.json success anthropic/claude-4.5-haiku-20251001 14 10 0 0 0 64000
json/ruby_llm__chat_citations_with_openrouter_perplexity_sonar_returns_search_result_citation__0.json success perplexity/sonar 7 236 0 0 0 5240000
json/ruby_llm__chat_function_calling_openrouter_claude-haiku-4-5_can_handle_multiple_tool_calls_in_a_single_respons__1.json success anthropic/claude-4.5-haiku-20251001 771 48 0 0 0 1011000
json/ruby_llm__chat_function_calling_openrouter_claude-haiku-4-5_can_use_parallel_tool_call__1.json success anthropic/claude-4.5-haiku-20251001 893 83 0 0 0 1308000
json/ruby_llm__chat_function_calling_openrouter_claude-haiku-4-5_can_use_tool__1.json success anthropic/claude-4.5-haiku-20251001 748 42 0 0 0 958000
json/ruby_llm__chat_function_calling_openrouter_claude-haiku-4-5_can_use_tools_in_multi-turn_conversation__1.json success anthropic/claude-4.5-haiku-20251001 748 42 0 0 0 958000
json/ruby_llm__chat_function_calling_openrouter_claude-haiku-4-5_can_use_tools_in_multi-turn_conversation__3.json success anthropic/claude-4.5-haiku-20251001 927 58 0 0 0 1217000
json/ruby_llm__chat_function_calling_openrouter_claude-haiku-4-5_can_use_tools_without_parameter__1.json success anthropic/claude-4.5-haiku-20251001 625 152 0 0 0 1385000
json/ruby_llm__chat_function_calling_openrouter_claude-haiku-4-5_handles_array_param__0.json success anthropic/claude-4.5-haiku-20251001 608 59 0 0 0 903000
json/ruby_llm__chat_multimodal_tool_attachments_openrouter_gemini-2_5-flash_describes_images_returned_from_tool__0.json success google/gemini-2.5-flash 25 3 0 0 0 15000
json/ruby_llm__chat_multimodal_tool_attachments_openrouter_gemini-2_5-flash_reads_pdfs_returned_from_tool__0.json success google/gemini-2.5-flash 27 3 0 0 0 15600
json/ruby_llm__chat_openrouter_reasoning_details_round-trip_replays_reasoning_details_across_tool_calls_and_turn__0.json success anthropic/claude-haiku-4.5 626 113 0 0 61 1191000
json/ruby_llm__chat_openrouter_reasoning_details_round-trip_replays_reasoning_details_across_tool_calls_and_turn__2.json success anthropic/claude-haiku-4.5 751 100 0 0 73 1251000
json/ruby_llm__chat_pdf_models_openrouter_gemini-2_5-flash_understands_pdf__0.json success google/gemini-2.5-flash 1294 102 0 0 0 643200
json/ruby_llm__chat_streaming_responses_openrouter_claude-haiku-4-5_reports_consistent_token_counts_compared_to_non-streamin__1.json success anthropic/claude-4.5-haiku-20251001 15 9 0 0 0 60000
json/ruby_llm__chat_string_tool_results_openrouter_claude-haiku-4-5_preserves_strings_returned_from_tool__1.json success anthropic/claude-4.5-haiku-20251001 704 74 0 0 0 1074000
json/ruby_llm__chat_text_models_openrouter_claude-haiku-4-5_can_understand_tex__0.json success anthropic/claude-4.5-haiku-20251001 36 50 0 0 0 286000
json/ruby_llm__chat_tool_attachments_openrouter_claude-haiku-4-5_returns_text_and_attachments_from_tool__0.json success anthropic/claude-4.5-haiku-20251001 577 45 0 0 0 802000
json/ruby_llm__chat_tool_choice_and_calls_control_openrouter_claude-haiku-4-5_respects_calls_one_for_sequential_executio__0.json success anthropic/claude-4.5-haiku-20251001 508 66 0 0 0 838000
json/ruby_llm__chat_tool_choice_and_calls_control_openrouter_claude-haiku-4-5_respects_choice_non__0.json success anthropic/claude-4.5-haiku-20251001 633 9 0 0 0 678000
json/ruby_llm__chat_tool_choice_and_calls_control_openrouter_claude-haiku-4-5_respects_choice_required_for_unrelated_querie__1.json success anthropic/claude-4.5-haiku-20251001 736 258 0 0 0 2026000
json/ruby_llm__chat_tool_choice_and_calls_control_openrouter_claude-haiku-4-5_respects_specific_tool_choic__1.json success anthropic/claude-4.5-haiku-20251001 736 349 0 0 0 2481000
json/ruby_llm__chat_vision_models_openrouter_claude-haiku-4-5_can_understand_remote_images_without_extensio__1.json success anthropic/claude-4.5-haiku-20251001 81 173 0 0 0 946000
json/ruby_llm__chat_with_extended_thinking_openrouter_claude-haiku-4-5_preserves_thinking_signatures_between_turns_when_provide__0.json success anthropic/claude-4.5-haiku-20251001 45 38 0 0 12 235000
json/ruby_llm__chat_with_extended_thinking_openrouter_claude-haiku-4-5_returns_thinking_when_availabl__0.json success anthropic/claude-4.5-haiku-20251001 80 855 0 0 586 4355000
json/ruby_llm__chat_with_schema_with_openrouter_claude-haiku-4-5_accepts_a_json_schema_and_returns_structured_outpu__0.json success anthropic/claude-4.5-haiku-20251001 181 12 0 0 0 241000
json/ruby_llm__chat_with_schema_with_openrouter_claude-haiku-4-5_allows_removing_schema_mid-conversatio__0.json success anthropic/claude-4.5-haiku-20251001 174 12 0 0 0 234000
json/ruby_llm__embedding_basic_functionality_openrouter_openai_text-embedding-3-small_can_handle_a_single_tex__0.json success text-embedding-3-small 7 - - - - 140
json/ruby_llm__embedding_basic_functionality_openrouter_openai_text-embedding-3-small_handles_single-string_arrays_consistentl__0.json success text-embedding-3-small 3 - - - - 60
json/ruby_llm__rerank_reranking_with_openrouter_voyageai_rerank-2_5-lite_orders_documents_by_relevance_and_reports_the_exact_cos__0.json success rerank-2.5-lite 17 - - - - 340
sse/llm-openrouter__1d105c2_test_image_prompt__2.sse success anthropic/claude-3.5-sonnet 1682 7 0 - 0 5151000
sse/llm-openrouter__603cd08_test_image_prompt__1.sse success anthropic/claude-3.5-sonnet 82 7 0 - 0 351000
sse/llm-openrouter__603cd08_test_tool_calls__1.sse success openai/gpt-4.1-mini 48 11 0 - 0 36800
sse/llm-openrouter__8fbcfec_test_image_prompt__1.sse success anthropic/claude-3.5-sonnet 82 7 - - - -
sse/llm-openrouter__a324e24_test_image_prompt__1.sse success openai/gpt-4.1-mini 101 4 0 - 0 46800
sse/llm-openrouter__a324e24_test_reasoning__1.sse success openai/gpt-5-nano 20 19 0 - 0 8600
sse/llm-openrouter__a324e24_test_tool_calls__2.sse success openai/gpt-4.1-mini 65 15 0 - 0 50000
sse/pydantic-ai__test_openrouter_advisor_tool_stream__0.sse success openai/gpt-4o-mini 888 74 0 0 0 14547600
sse/pydantic-ai__test_openrouter_stream_error__0.sse stream_error minimax/minimax-m2:free 43 10 0 - 11 0
sse/pydantic-ai__test_openrouter_stream_with_reasoning__0.sse success openai/o3 9 104 0 - 0 850000
sse/pydantic-ai__test_openrouter_web_search_annotations_stream__0.sse success deepseek/deepseek-chat 2317 53 0 0 0 7650917
sse/ruby_llm__chat_function_calling_openrouter_claude-haiku-4-5_can_use_tools_with_multi-turn_streaming_conversation__0.sse success anthropic/claude-4.5-haiku-20251001 633 75 0 0 0 1008000
sse/ruby_llm__chat_function_calling_openrouter_claude-haiku-4-5_can_use_tools_with_multi-turn_streaming_conversation__2.sse success anthropic/claude-4.5-haiku-20251001 834 75 0 0 0 1209000
sse/ruby_llm__chat_function_calling_openrouter_claude-haiku-4-5_can_use_tools_without_parameters_in_multi-turn_streaming_conversation__0.sse success anthropic/claude-4.5-haiku-20251001 579 41 0 0 0 784000
sse/ruby_llm__chat_function_calling_openrouter_claude-haiku-4-5_can_use_tools_without_parameters_in_multi-turn_streaming_conversation__2.sse success anthropic/claude-4.5-haiku-20251001 791 41 0 0 0 996000
sse/ruby_llm__chat_openrouter_reasoning_details_round-trip_accumulates_reasoning_details_while_streaming_tool_call__0.sse success anthropic/claude-haiku-4.5 626 106 0 0 54 1156000
sse/ruby_llm__chat_streaming_responses_openrouter_claude-haiku-4-5_reports_consistent_token_counts_compared_to_non-streamin__0.sse success anthropic/claude-4.5-haiku-20251001 15 9 0 0 0 60000
";

/// File and place in it, outcome with its detail, the wait in seconds.
const ERRORS: &str = "
errors.json#0 unauthorized -
errors.json#1 out_of_credit/balance -
errors.json#2 out_of_credit/in_flight -
errors.json#3 out_of_credit/key_limit -
errors.json#4 out_of_credit/too_large -
errors.json#5 out_of_credit/too_large -
errors.json#6 out_of_credit/key_limit -
errors.json#7 out_of_credit/workspace_budget -
errors.json#8 forbidden/guardrail -
errors.json#9 moderated -
errors.json#10 model_unavailable/deprecated -
errors.json#11 model_unavailable/not_found -
errors.json#12 rate_limited/upstream 40
errors.json#13 rate_limited/free_tier -
errors.json#14 rate_limited/upstream -
errors.json#15 upstream_error -
errors.json#16 timeout -
errors.json#17 overloaded -
errors.json#18 upstream_error -
errors.json#19 unauthorized -
errors.json#20 unauthorized -
anthropic-errors.json#0 rate_limited/account -
anthropic-errors.json#1 overloaded -
anthropic-errors.json#2 out_of_credit/workspace_budget -
TRANSCRIBED_from_public_threads.jsonl#0 out_of_credit/too_large -
TRANSCRIBED_from_public_threads.jsonl#1 out_of_credit/too_large -
TRANSCRIBED_from_public_threads.jsonl#2 out_of_credit/balance -
TRANSCRIBED_from_public_threads.jsonl#3 out_of_credit/in_flight -
TRANSCRIBED_from_public_threads.jsonl#4 out_of_credit/key_limit -
TRANSCRIBED_from_public_threads.jsonl#5 forbidden/region -
TRANSCRIBED_from_public_threads.jsonl#6 rate_limited/upstream -
TRANSCRIBED_from_public_threads.jsonl#7 upstream_error -
TRANSCRIBED_from_public_threads.jsonl#8 upstream_error -
pydantic-ai__test_openrouter_errors_raised__0.json#0 rate_limited/upstream -
pydantic-ai__test_openrouter_errors_raised__1.json#0 rate_limited/upstream -
pydantic-ai__test_openrouter_errors_raised__2.json#0 rate_limited/upstream -
ruby_llm__chat_error_handling_with_openrouter_claude-haiku-4-5_raises_appropriate_auth_erro__0.json#0 unauthorized -
ruby_llm__chat_real_error_scenarios_openrouter_claude-haiku-4-5_handles_context_length_exceeded_error__0.json#0 invalid_request -
sse-midstream-error.txt#0 stream_error -
usage-object.json#0 - -
";

/// A row: what it is about, and the rest.
fn rows(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table.trim().lines().filter_map(|row| row.split_once(' '))
}

fn shown(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn outcome(reading: &Reading) -> String {
    let Some(verdict) = &reading.verdict else { return "-".to_owned() };
    let detail = verdict.outcome.detail().map(|detail| format!("/{detail}")).unwrap_or_default();
    format!("{}{detail}", verdict.outcome.name())
}

fn answer(reading: &Reading) -> String {
    let usage = reading.usage;
    let counts = [
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    ];
    let counts = counts.map(shown).join(" ");
    let cost = usage.cost.map_or_else(|| "-".to_owned(), |NanoUsd(nanos)| nanos.to_string());
    format!("{} {} {counts} {cost}", outcome(reading), reading.model.as_deref().unwrap_or("-"))
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Reads a body with its status and headers, which captures give under several names.
fn read_captured(capture: &Value) -> Reading {
    let meta = capture.get("_meta").unwrap_or(capture);
    let status = ["http_status", "status"].iter().find_map(|key| meta[key].as_u64());
    let headers: Vec<_> = meta["headers"].as_object().into_iter().flatten().map(header).collect();
    let hints =
        Hints { status: status.and_then(|status| u16::try_from(status).ok()), headers: &headers, ..Hints::default() };
    match capture["sse"].as_str() {
        Some(transcript) => read(transcript, &hints),
        None => read_json(capture.get("body").or(capture.get("error")).unwrap_or(capture), &hints),
    }
}

fn header((key, value): (&String, &Value)) -> (String, String) {
    let value = value.get(0).unwrap_or(value);
    (key.clone(), value.as_str().unwrap_or_default().to_owned())
}

#[test]
fn every_captured_answer_is_read_exactly() {
    let Some(folder) = captures().map(|folder| folder.join("api/responses")) else { return };
    let files = ["json", "sse"].map(|kind| fs::read_dir(folder.join(kind)).unwrap()).into_iter().flatten();
    let files: BTreeSet<_> = files.map(|file| file.unwrap().path()).collect();
    let files = files.iter().filter(|path| !path.to_string_lossy().ends_with(".meta.json"));
    for path in files.clone() {
        let name = path.strip_prefix(&folder).unwrap().to_string_lossy();
        let reading = if path.extension().is_some_and(|extension| extension == "sse") {
            read(&fs::read_to_string(path).unwrap(), &Hints { status: Some(200), ..Hints::default() })
        } else {
            read_captured(&json(path))
        };
        let expected = rows(ANSWERS).find_map(|(row, expected)| (row == name).then_some(expected));
        assert_eq!(Some(answer(&reading).as_str()), expected, "{name}");
        assert!(reading.generation.is_some_and(|id| id.starts_with("gen-")), "{name}");
    }
    assert_eq!(files.count(), rows(ANSWERS).count());
}

#[test]
fn every_captured_error_is_classified() {
    let Some(folder) = captures().map(|folder| folder.join("api/errors")) else { return };
    let mut errors = Vec::new();
    for file in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
        let (name, content) = (file.file_name().into_string().unwrap(), fs::read_to_string(file.path()).unwrap());
        let captures: Vec<Value> = match name.rsplit_once('.').unwrap().1 {
            "jsonl" => content.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            "txt" => vec![serde_json::json!({ "sse": content })],
            _ => match serde_json::from_str(&content).unwrap() {
                Value::Array(captures) => captures,
                capture => vec![capture],
            },
        };
        let numbered = captures.into_iter().enumerate();
        errors.extend(numbered.map(|(number, capture)| (format!("{name}#{number}"), read_captured(&capture))));
    }
    for (name, reading) in &errors {
        let wait = shown(reading.verdict.as_ref().and_then(|verdict| verdict.retry_after_s));
        let expected = rows(ERRORS).find_map(|(row, expected)| (row == name).then_some(expected));
        assert_eq!(Some(format!("{} {wait}", outcome(reading)).as_str()), expected, "{name}");
    }
    assert_eq!(errors.len(), rows(ERRORS).count());
}
