"""Writes chat_references.json: what `transformers` writes for conversations with templates of the usual kinds.

    pip install transformers
    python tests/prompts/make_chat_references.py
"""

import json
import pathlib

import tokenizers
import transformers

# Written for these tests, in the manner of the families' own.
TEMPLATES = {
    "default system message": """\
{%- if messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\nHelp.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) or message.role == 'assistant' %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    "system in the first user turn": """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- set first = messages[0]['content'] + '\\n\\n' -%}
    {%- set rest = messages[1:] -%}
{%- else -%}
    {%- set first = '' -%}
    {%- set rest = messages -%}
{%- endif -%}
{%- for message in rest -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Turns must alternate") }}
    {%- endif -%}
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}
    {{ '<start>' + role + '\\n' + (first if loop.first else '') }}
    {{ message['content'] | trim }}{{ '<end>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start>model\\n' }}{%- endif -%}
""",
    "no system turn": """\
{% for message in messages %}
{% if message['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}
{% if message['role'] == 'assistant' and not message['content'] %}{% continue %}{% endif %}
[{{ message['role'] }}] {{ message['content'] | tojson }}{{ eos_token }}
{% endfor %}
{% if tools %}{{ tools }}{% endif %}{% set ns = namespace(count=messages | length) %}{{ ns.count }}
""",
}
USER, ANSWER = {"role": "user", "content": "  What is\n1 + 1? é\n"}, {"role": "assistant", "content": "2"}
SYSTEM, EMPTY = {"role": "system", "content": "Be brief."}, {"role": "assistant", "content": ""}
CONVERSATIONS = [
    [USER], [SYSTEM, USER], [USER, ANSWER, USER], [SYSTEM, USER, ANSWER, USER], [USER, EMPTY, USER], [USER, USER],
]


def main() -> None:
  plain = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<s>": 0, "<end>": 1}, unk_token="<s>"))
  tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=plain, bos_token="<s>", eos_token="<end>")
  cases = []
  for template in TEMPLATES.values():
    for turns in CONVERSATIONS:
      try:
        text = tokenizer.apply_chat_template(
            turns, chat_template=template, tokenize=False, add_generation_prompt=True
        )
      except Exception:  # what a template raises
        text = None
      cases.append({"template": template, "turns": turns, "text": text})
  path = pathlib.Path(__file__).parent / "chat_references.json"
  path.write_text(json.dumps(cases, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
  main()
