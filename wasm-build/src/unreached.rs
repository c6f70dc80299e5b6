//! Functions that nobody can call any more, once exports are dropped.

use anyhow::{Result, ensure};
use wasmparser::{
    ConstExpr, ElementItems, ExternalKind, FunctionBody, Operator, Parser, Payload, TypeRef,
};

use crate::module;

/// A function without locals that does nothing but end the program; before it, its length.
const EMPTY: [u8; 4] = [3, 0, 0x00, 0x0b];

/// The module with an empty body in place of each function that nothing leads to from its exports
/// and its tables. All functions keep their numbers.
pub(crate) fn emptied(module: &[u8]) -> Result<Vec<u8>> {
    let Functions {
        imported,
        bodies,
        roots,
    } = Functions::of(module)?;
    let mut reached = vec![false; bodies.len()];
    let mut ahead = roots;
    while let Some(function) = ahead.pop() {
        // What is imported calls nothing of the module's own.
        let Some(place) = (function as usize).checked_sub(imported) else {
            continue;
        };
        ensure!(place < bodies.len(), "it names a function that it lacks");
        if !std::mem::replace(&mut reached[place], true) {
            ahead.extend(called(&bodies[place])?);
        }
    }
    module::with_bodies(module, |place, body| {
        if reached.get(place) == Some(&false) && body.len() > EMPTY.len() {
            &EMPTY
        } else {
            body
        }
    })
}

/// The functions of a module.
struct Functions<'a> {
    /// How many are imported; their numbers come first.
    imported: usize,
    bodies: Vec<FunctionBody<'a>>,
    /// The numbers of those that somebody can call from outside, or by a table.
    roots: Vec<u32>,
}

impl<'a> Functions<'a> {
    fn of(module: &'a [u8]) -> Result<Self> {
        let mut all = Self {
            imported: 0,
            bodies: Vec::new(),
            roots: Vec::new(),
        };
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports {
                        all.imported += usize::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            all.roots.push(export.index);
                        }
                    }
                }
                Payload::StartSection { func, .. } => all.roots.push(func),
                Payload::GlobalSection(globals) => {
                    for global in globals {
                        all.roots.extend(named(&global?.init_expr)?);
                    }
                }
                Payload::ElementSection(tables) => {
                    for table in tables {
                        match table?.items {
                            ElementItems::Functions(functions) => {
                                for function in functions {
                                    all.roots.push(function?);
                                }
                            }
                            ElementItems::Expressions(_, expressions) => {
                                for expression in expressions {
                                    all.roots.extend(named(&expression?)?);
                                }
                            }
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => all.bodies.push(body),
                _ => {}
            }
        }
        Ok(all)
    }
}

/// The functions that a constant expression names.
fn named(expression: &ConstExpr<'_>) -> Result<Vec<u32>> {
    let mut names = Vec::new();
    for operator in expression.get_operators_reader() {
        if let Operator::RefFunc { function_index } = operator? {
            names.push(function_index);
        }
    }
    Ok(names)
}

/// The functions that a function calls or names.
fn called(body: &FunctionBody<'_>) -> Result<Vec<u32>> {
    let mut called = Vec::new();
    for operator in body.get_operators_reader()? {
        match operator? {
            Operator::Call { function_index }
            | Operator::ReturnCall { function_index }
            | Operator::RefFunc { function_index } => called.push(function_index),
            _ => {}
        }
    }
    Ok(called)
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        CodeSection, ElementSection, Elements, EntityType, ExportKind, ExportSection, Function,
        FunctionSection, ImportSection, Instruction, Module, RefType, TableSection, TableType,
        TypeSection,
    };

    use super::*;

    /// A module with one imported function and, after it, one for each list of the functions that
    /// it calls; `exported` and what is in the `table` can be called from outside.
    fn module(exported: u32, table: u32, calls: &[&[u32]]) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut imports = ImportSection::new();
        imports.import("env", "proxy_log", EntityType::Function(0));
        let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
        for calls in calls {
            functions.function(0);
            let mut function = Function::new([]);
            for called in *calls {
                function.instruction(&Instruction::Call(*called));
            }
            function.instruction(&Instruction::End);
            code.function(&function);
        }
        let mut tables = TableSection::new();
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: 1,
            maximum: None,
            shared: false,
        });
        let mut elements = ElementSection::new();
        let zero = wasm_encoder::ConstExpr::i32_const(0);
        elements.active(None, &zero, Elements::Functions(vec![table].into()));
        let mut exports = ExportSection::new();
        exports.export("proxy_on_vm_start", ExportKind::Func, exported);
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions);
        module.section(&tables).section(&exports).section(&elements);
        module.section(&code);
        module.finish()
    }

    /// The functions that are not empty, by their numbers.
    fn left(module: &[u8]) -> Vec<u32> {
        wasmparser::validate(module).unwrap();
        let bodies = Functions::of(module).unwrap().bodies;
        let bodies = (1..).zip(&bodies);
        let left = bodies.filter(|(_, body)| body.as_bytes() != &EMPTY[1..]);
        left.map(|(number, _)| number).collect()
    }

    #[test]
    fn it_empties_what_neither_an_export_nor_a_table_leads_to() {
        let calls: [&[u32]; 7] = [&[2, 0], &[1, 3], &[0], &[5, 0], &[0, 0], &[7, 1], &[6, 6]];
        let before = module(1, 5, &calls);
        let emptied = emptied(&before).unwrap();
        assert_eq!(left(&emptied), [1, 2, 3, 5]);
        assert_eq!(before.len() - emptied.len(), 9);
        // Nothing is left to take out.
        let again = super::emptied(&emptied).unwrap();
        assert_eq!(again, emptied);
    }

    #[test]
    fn it_refuses_a_module_that_calls_what_it_lacks() {
        assert!(emptied(&module(1, 1, &[&[9]])).is_err());
    }
}
