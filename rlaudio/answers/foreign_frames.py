"""The words around an answer in other languages than English: "答案是", "La respuesta es", "です".

As in English, what they frame must be an option as a whole: "no es", "不是" and "ではない" frame none.
"""

from __future__ import annotations

CHINESE = (
    r"(?:[综綜]上(?:所述)?|[总總]之|所以|因此|那[么麼]|故|于是|根据[^,.。]{1,20})?,? ?"
    r"(?:我(?:[认認][为為]|[觉覺]得|想|猜|听到的?))?"
    r"(?:[【\[](?:正[确確]|最[终終])?答案[】\]]"
    r"|(?:我的)?(?:正[确確]|最[终終]|最佳)?的?(?:答案|[选選][项項]|回答|[结結]果|答|解)"
    r"(?:(?:[应應][该該])?[是为為选選]|:| )"
    r"|(?:[应應][该該])?我?[选選][择擇]?"
    r"|(?:[它这那這]个?|(?:这个|[它这那這]段)?(?:音频|[录錄]音|片段)?[中里裡]?的?(?:[声聲]音|[动動]物|[乐樂]器|情[绪緒]|人))?"
    r"(?:(?:最|很)?可能|[应應][该該]|[听聽]起[来來]|大概|就)?[是像]):? ?"
)
JAPANESE = (
    r"(?:(?:したがって|よって|だから|そのため)[,.]? ?)?(?:正しい|最も適切な|最終的な)?"
    r"(?:答え|正解|解答|回答|選択肢|もの|の|[こそ]れ|(?:この)?[音声])[はが] ?:? ?"
)
NOUN = (
    r"(?:antwort|respuesta|opci[oó]n|r[eé]ponse|risposta|resposta|antwoord|ответ|정?답|答え|正解|解答"
    r"|الإجابة|उत्तर)"
)
ANSWER_IS = (
    r"(?:(?:따라서|그러므로|그래서) )?"
    r"(?:(?:die |la |a |het )?(?:(?:richtige|korrekte|bonne|правильный|верный|सही|正しい) ?)?"
    rf"{NOUN}(?: (?:correct[ae]?|corretta|correta|certa|finale?|الصحيحة))?"
    r"(?: (?:es|est|è|é|ist|lautet|is|هي|है)(?: ?: ?| )"
    r"(?:(?:la|le|el|il|a|die) (?=\(?[a-z]\)?\.?$))?| ?[은는は] ?:? ?| ?: ?| - (?!\d)|(?<=उत्तर) ))"
)
IT_IS = (
    r"(?:(?:creo|pienso) que |je (?:pense|crois) que |ich (?:glaube|denke),? |я думаю,? (?:что )?)?"
    r"(?:(?:c'est|es ist|das ist|es|suena como|это) (?!not\b))"
)
THE_ANSWER_IS = rf"(?:{CHINESE}|{JAPANESE}|{ANSWER_IS})"
TAIL = (
    r"(?:的(?:声音|叫声)|是?(?:正[确確]|[对對])(?:的?(?:答案|[选選][项項])|的)?|だ?と思います|です|だ|[예에]요"
    r"|번?입니다| है)"
)
MEASURES = r"(?<=[0-9一二三四五六七八九十两兩])[次个個声聲下回度]"
A = r"一(?:[只個个隻条條头頭匹位])(?=.)"  # "a", "an"
